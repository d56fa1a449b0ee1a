internal import Yams

/// Keys that a map has more than once. YAML forbids them, and its reader stops at the first. So that everything else is read
/// and checked too, all but the last of them are written in letters of a private plane before the text is read again.
/// `FieldReader` reports them and leaves their values out.
package enum RepeatedKeys {
    /// The first of 256 blocks of 128 letters, one block for each key that is rewritten.
    private static let first: UInt32 = 0xF0000
    private static let block: UInt32 = 0x80
    private static let most = 256

    /// The key as it was written; nil: `key` was not rewritten.
    package static func original(_ key: String) -> String? {
        guard !key.isEmpty else { return nil }
        var found = String.UnicodeScalarView()
        for letter in key.unicodeScalars {
            guard letter.value >= first, letter.value < first + UInt32(most) * block else { return nil }
            found.append(Unicode.Scalar(UInt8((letter.value - first) % block)))
        }
        return String(found)
    }

    /// The root of `text` with repeated keys rewritten; nil: there is none, or a key cannot be rewritten.
    static func compose(_ text: String) throws -> Node? {
        var text = text
        for number in 0..<most {
            do {
                return try Yams.compose(yaml: text, .basic)
            } catch YamlError.duplicatedKeysInMapping(let keys, let context) {
                // The place is that of the first of these keys in its map.
                guard let rewritten = rewriting(keys, at: context.mark, number, in: text) else { return nil }
                text = rewritten
            }
        }
        return nil
    }

    /// `text` with one of `keys` rewritten at a place. Places of all other keys and values stay the same.
    private static func rewriting(_ keys: [String], at mark: Mark, _ number: Int, in text: String) -> String? {
        let all = text.unicodeScalars
        var (start, line) = (all.startIndex, 1)
        while line < mark.line {
            guard let end = all[start...].firstIndex(of: "\n") else { return nil }
            start = all.index(after: end)
            line += 1
        }
        guard var place = all.index(start, offsetBy: mark.column - 1, limitedBy: all.endIndex), place < all.endIndex
        else { return nil }
        if all[place] == "\"" || all[place] == "'" { place = all.index(after: place) }
        for key in keys where !key.isEmpty && key.unicodeScalars.allSatisfy({ $0.value < block }) {
            guard all[place...].starts(with: key.unicodeScalars) else { continue }
            var hidden = String.UnicodeScalarView()
            for letter in key.unicodeScalars {
                guard let other = Unicode.Scalar(first + UInt32(number) * block + letter.value) else { return nil }
                hidden.append(other)
            }
            var rewritten = all
            rewritten.replaceSubrange(place..<all.index(place, offsetBy: key.unicodeScalars.count), with: hidden)
            return String(rewritten)
        }
        return nil
    }
}
