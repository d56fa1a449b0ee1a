/// A key of JSON text with its place. A YAML reader gives places too, but not of text with repeated keys.
struct JSONKeys: Hashable {
    /// Dotted path from the root, through maps alone.
    var path: String
    /// Place of the key, counted from 1.
    var line: Int
    var column: Int
    /// Line of the first key of that name in its map; nil: this is the first.
    var earlier: Int?

    /// All keys of maps that lie in no list, in the order of the text, which must be JSON.
    static func all(in text: [UInt8]) -> [JSONKeys] {
        var scanner = Scanner(text: text)
        return scanner.keys()
    }

    /// Goes through the text once. Nesting takes no stack.
    private struct Scanner {
        let text: [UInt8]
        private var next = 0
        private var (line, column) = (1, 1)

        /// A map or a list whose end is still to come.
        private struct Open {
            /// Path of a map with its last point; nil: a list, or a map in one.
            var path: String?
            var isMap: Bool
            /// Lines of the keys so far.
            var lines: [String: Int] = [:]
            var awaitsKey = true
            var key = ""
        }

        init(text: [UInt8]) { self.text = text }

        private mutating func advance() {
            let byte = text[next]
            next += 1
            if byte == UInt8(ascii: "\n") {
                (line, column) = (line + 1, 1)
            } else if byte & 0xC0 != 0x80 {
                column += 1
            }
        }

        /// The characters of a string as they are written, the scanner being at its first quote.
        private mutating func string() -> String {
            advance()
            let first = next
            while next < text.count, text[next] != UInt8(ascii: "\"") {
                if text[next] == UInt8(ascii: "\\"), next + 1 < text.count { advance() }
                advance()
            }
            let found = String(decoding: text[first..<next], as: UTF8.self)
            if next < text.count { advance() }
            return found
        }

        mutating func keys() -> [JSONKeys] {
            var found: [JSONKeys] = []
            var open: [Open] = []
            while next < text.count {
                switch text[next] {
                case UInt8(ascii: "{"), UInt8(ascii: "["):
                    let isMap = text[next] == UInt8(ascii: "{")
                    var path: String?
                    if isMap {
                        path =
                            open.last.map { outer in outer.isMap ? outer.path.map { "\($0)\(outer.key)." } : nil } ?? ""
                        if let outer = open.last, !outer.isMap || outer.path == nil { path = nil }
                    }
                    open.append(Open(path: path, isMap: isMap))
                    advance()
                case UInt8(ascii: "}"), UInt8(ascii: "]"):
                    _ = open.popLast()
                    advance()
                case UInt8(ascii: ","):
                    if !open.isEmpty { open[open.count - 1].awaitsKey = true }
                    advance()
                case UInt8(ascii: "\""):
                    let (line, column) = (line, column)
                    let text = string()
                    guard let last = open.indices.last, open[last].isMap, open[last].awaitsKey else { continue }
                    open[last].awaitsKey = false
                    open[last].key = text
                    let earlier = open[last].lines[text]
                    if earlier == nil { open[last].lines[text] = line }
                    if let path = open[last].path {
                        found.append(JSONKeys(path: path + text, line: line, column: column, earlier: earlier))
                    } else if earlier != nil {
                        found.append(JSONKeys(path: text, line: line, column: column, earlier: earlier))
                    }
                default: advance()
                }
            }
            return found
        }
    }
}
