import Foundation

/// A link of a page to another page, to a file or to a heading.
struct MarkdownLink: Hashable, Sendable {
    var page: String
    /// From 1.
    var line: Int
    var target: String

    /// Links outside code that do not lead to another host.
    static func all(of page: DocumentationPage) -> [MarkdownLink] {
        let code = page.blocks.map(\.lines)
        return page.lines.indices.filter { index in !code.contains { $0.contains(index) } }.flatMap { index in
            page.lines[index].matches(of: #/\]\(([^)\s]+)\)/#).map { String($0.1) }
                .filter { !$0.contains("://") }
                .map { MarkdownLink(page: page.path, line: index + 1, target: $0) }
        }
    }

    /// What links to the heading call it: small letters and digits, hyphens for spaces, nothing else.
    static func anchor(_ heading: String) -> String {
        let text = heading.drop { $0 == "#" }.trimmingCharacters(in: .whitespaces).lowercased()
        return String(text.filter { $0.isLetter || $0.isNumber || "-_ ".contains($0) }).replacing(" ", with: "-")
    }

    /// Why it leads nowhere; nil where it leads to something.
    func problem() throws -> String? {
        let parts = target.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let folder = URL(filePath: page, relativeTo: BuiltProgram.root).deletingLastPathComponent()
        let file = parts[0].isEmpty ? BuiltProgram.root.appending(path: page) : folder.appending(path: parts[0])
        guard FileManager.default.fileExists(atPath: file.path) else { return "\(page):\(line): no file \(parts[0])" }
        guard parts.count > 1 else { return nil }
        let text = try String(contentsOf: file, encoding: .utf8)
        let headings = text.split(separator: "\n").filter { $0.hasPrefix("#") }.map { Self.anchor(String($0)) }
        return headings.contains(parts[1]) ? nil : "\(page):\(line): \(target) names no heading"
    }
}
