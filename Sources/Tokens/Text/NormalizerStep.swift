/// A change of text before it is split.
enum NormalizerStep {
    case canonicalComposition
    case prepend([UInt8])
    case replace([UInt8], with: [UInt8])
    /// Two and more spaces in a row, ` {2,}`.
    case replaceSpaces(with: [UInt8])
    case strip(left: Bool, right: Bool)
    case charsmap(Charsmap)

    /// How many times as long a text may become.
    var growth: Int {
        switch self {
        // Three characters from one is the most (UAX 15).
        case .canonicalComposition: 3
        case .prepend, .strip: 1
        case .replace(let old, let new): max(1, (new.count + old.count - 1) / max(1, old.count))
        case .replaceSpaces(let new): max(1, (new.count + 1) / 2)
        case .charsmap(let map): max(1, map.longest)
        }
    }

    func apply(_ bytes: [UInt8]) -> [UInt8] {
        bytes.withUnsafeBufferPointer { text in
            switch self {
            case .canonicalComposition: return CanonicalComposition.normalized(text)
            case .prepend(let prefix): return bytes.isEmpty ? bytes : prefix + bytes
            case .replace(let old, let new): return Self.replacing(old, with: new, in: text)
            case .replaceSpaces(let new):
                var found: [UInt8] = []
                found.reserveCapacity(text.count)
                var place = 0
                while place < text.count {
                    var end = place
                    while end < text.count, text[end] == 0x20 { end += 1 }
                    if end - place >= 2 {
                        found += new
                    } else {
                        end = place + 1
                        found.append(text[place])
                    }
                    place = end
                }
                return found
            case .strip(let left, let right):
                var (start, end) = (0, text.count)
                let classes = CharacterClasses.all
                while left, start < end {
                    let (code, length) = Scalars.next(text, start)
                    guard classes.kind(code) == .space else { break }
                    start += length
                }
                while right, end > start {
                    let before = Scalars.start(before: end, in: text)
                    guard classes.kind(Scalars.next(text, before).code) == .space else { break }
                    end = before
                }
                return Array(text[start..<end])
            case .charsmap(let map): return map.normalized(text)
            }
        }
    }

    /// - Parameter old: not empty.
    static func replacing(_ old: [UInt8], with new: [UInt8], in text: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        var found: [UInt8] = []
        found.reserveCapacity(text.count + text.count / 2)
        guard let first = old.first else { return Array(text) }
        var (place, kept) = (0, 0)
        while place < text.count {
            guard text[place] == first, text.count - place >= old.count,
                (1..<old.count).allSatisfy({ text[place + $0] == old[$0] })
            else {
                place += 1
                continue
            }
            found.append(contentsOf: text[kept..<place])
            found.append(contentsOf: new)
            place += old.count
            kept = place
        }
        found.append(contentsOf: text[kept...])
        return found
    }
}
