import Foundation
import TestSupport
import Testing

/// A message of the pages about files: a line that changes the example file, and what the program says of it.
struct DocumentedMessage: CustomTestStringConvertible, Sendable {
    var page: String
    /// The line that is written into the file.
    var change: String
    /// The message without its indentation.
    var message: String
    /// Line of the page that holds the message.
    var place: Int
    /// The file's lines before the change.
    var base: [String]

    var testDescription: String { "\(page): \(change)" }

    /// Messages of one-line changes with a place in the file. The others are described in words.
    static func messages(of page: DocumentationPage) -> [DocumentedMessage] {
        var found: [DocumentedMessage] = []
        var base: [String] = []
        for block in page.blocks {
            if block.kind == "yaml" { base = page.lines[block.lines].map { String($0) } }
            guard block.kind == "text" else { continue }
            for index in block.lines.dropFirst() {
                let (change, message) = (page.lines[index - 1], page.lines[index])
                guard message.hasPrefix("    error: "), change.contains(#/^ *\w+:( |$)/#) else { continue }
                found.append(
                    DocumentedMessage(
                        page: page.path, change: change, message: String(message.dropFirst(4)), place: index,
                        base: base))
            }
        }
        return found
    }

    /// Message of the program with the change in the line that the message names, in the place of that line or before
    /// it; nil where neither gives a message about that place, because the page takes more than one line for granted.
    func said() throws -> String? {
        guard let place = message.firstMatch(of: #/^error: (?:\./)?(plan|my-cluster)\.yaml:([0-9]+):[0-9]+: /#),
            let line = Int(place.2), (1...base.count + 1).contains(line)
        else { return nil }
        var variants: [[String]] = [base, base]
        if line <= base.count { variants[0][line - 1] = change }
        variants[1].insert(change, at: line - 1)
        var near: String?
        for lines in variants {
            let answer = try answer(of: String(place.1), lines)
            if answer == message { return answer }
            if answer.hasPrefix(place.0), !answer.contains("\n"), near == nil { near = answer }
        }
        return near
    }

    private func answer(of file: String, _ lines: [String]) throws -> String {
        let folder = try TemporaryFolder()
        if file != "plan" {
            let plan = "model: gpt3-175b\ntokens: 1B\ncluster: my-cluster.yaml\ndevices: 64\nlayout: auto\n"
            try folder.write(plan, as: "plan.yaml")
        }
        try folder.write(lines.joined(separator: "\n") + "\n", as: "\(file).yaml")
        let outcome = try BuiltProgram("trainyard").run(["plan", "plan.yaml"], in: folder.url)
        let notes = outcome.errors.split(separator: "\n").filter { !$0.hasPrefix("note: ") }
        // Lists of known clusters hold `local` where a calibration has written it beside those of the checkout.
        return notes.joined(separator: "\n").replacing(", local, ", with: ", ")
    }
}
