import Foundation
import Numbers

/// The folder of what the `tokenizers` package made.
enum TokenGoldens {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Goldens/tokens").path

    /// The bytes of a file of it.
    static func bytes(_ name: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(filePath: "\(root)/\(name)")))
    }
}

/// Text drawn from the sample, the same as `scripts/tokens_golden.py` draws.
struct MixedText {
    private static let spaces = [
        " ", "  ", "\n", "\n\n", "\t", " \n", "\r\n", "   \n  ", "\u{a0}", "\u{3000}", "    ", "\u{2028}", " \u{2003} ",
    ]
    private static let endings = [
        "'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'LL", "'Re", "'\u{17f}", "'x", "'", "''",
    ]
    private static let marks: [Unicode.Scalar] = [
        "\u{301}", "\u{308}", "\u{323}", "\u{327}", "\u{93c}", "\u{3099}", "\u{200d}", "\u{fe0f}",
    ]
    private static let special = [
        "<|endoftext|>", "<s>", "</s>", "<|im_start|>", "<unk>", "<0x41>", "<pad>", "\u{2581}", "\u{2581}\u{2581}x",
    ]

    private var random: SplitMix64

    init(seed: UInt64) { random = SplitMix64(seed: seed) }

    private mutating func below(_ count: Int) -> Int { Int(random.next() % UInt64(count)) }

    /// At least `size` bytes of UTF-8.
    mutating func draw(_ sample: [UInt8], size: Int) -> [UInt8] {
        let lines = sample.split(separator: 0x0A, omittingEmptySubsequences: false)
        var text: [UInt8] = []
        func add(_ code: Int) {
            if let scalar = Unicode.Scalar(UInt32(code)) { text += Array(String(Character(scalar)).utf8) }
        }
        while text.count < size {
            switch below(16) {
            case 0..<6: text += lines[below(lines.count)] + [0x0A]
            case 6..<9:
                let words = lines[below(lines.count)].split(separator: 0x20, omittingEmptySubsequences: false)
                text += words[below(words.count)] + [0x20]
            case 9: text += Array(Self.spaces[below(Self.spaces.count)].utf8)
            case 10: text += Array(Self.endings[below(Self.endings.count)].utf8)
            case 11:
                let number = random.next()
                text += Array(String(number >> (8 * UInt64(below(8)))).utf8)
            case 12:
                let code = below(0x110000 - 0x800)
                add(code < 0xD800 ? code : code + 0x800)
            case 13:
                let code = 0x4E00 + below(0x5200)
                for _ in 0...below(3) { add(code) }
            case 14:
                add(0x61 + below(26))
                add(Int(Self.marks[below(Self.marks.count)].value))
            default: text += Array(Self.special[below(Self.special.count)].utf8)
            }
        }
        return text
    }

    /// The characters of the first planes in several surroundings.
    static let scalars: [UInt8] = {
        var text: [UInt8] = []
        func each(_ codes: some Sequence<Int>, _ use: ([UInt8]) -> Void) {
            for code in codes {
                if let scalar = Unicode.Scalar(UInt32(code)) { use(Array(String(Character(scalar)).utf8)) }
            }
        }
        each(0..<0x20000) { text += $0 }
        each(stride(from: 0x20000, to: 0x110000, by: 61)) { text += $0 }
        each(0..<0x3400) { text += [0x61] + $0 + [0x62] }
        each(stride(from: 0, to: 0x20000, by: 5)) { character in
            text += [0x31] + character + [0x27] + character + Array("x ".utf8) + character + [0x0A] + character
        }
        return text
    }()
}
