internal import Foundation
internal import Plans
internal import Reading
internal import Tokens

/// The tokenizer of the run that saved a checkpoint, as a file for others.
struct RunTokenizer {
    /// The text of tokenizer.json.
    let text: Data
    /// The token that ends a document.
    let end: (id: Int32, text: String)?

    /// The tokenizer in a folder as a name to read it by: the folder, where a file beside it names special tokens. nil: there is none.
    static func name(in folder: String) -> String? {
        let manager = FileManager.default
        let file = folder + "/" + RunFolder.tokenizer
        guard manager.fileExists(atPath: file) else { return nil }
        return manager.fileExists(atPath: folder + "/" + RunFolder.tokenizerConfiguration) ? folder : file
    }

    /// Looks for the copy in the run's folder, then where the plan named it.
    /// - Returns: nil for weights without a run, and for a run whose tokens are bytes.
    /// - Throws: `TrainingError.file` where the tokenizer is gone or is another one by now.
    init?(of checkpoint: CheckpointFolder?) throws {
        guard let checkpoint, checkpoint.manifest.train.tokenizer != "bytes" else { return nil }
        let stated = checkpoint.manifest.train.tokenizer
        let folder = URL(fileURLWithPath: checkpoint.path).deletingLastPathComponent().deletingLastPathComponent().path
        for name in [Self.name(in: folder), stated].compactMap(\.self) {
            guard let file = ExportFolder.tokenizerFile(at: name), let tokenizer = try? Tokenizer.read(name),
                checkpoint.manifest.tokenizerDigest.map({ $0 == String(tokenizer.digest, radix: 16) }) ?? true,
                let text = FileManager.default.contents(atPath: file)
            else { continue }
            self.text = text
            // The file that names the token is copied where it lay beside the tokenizer; earlier releases did not.
            let id = tokenizer.endOfDocument ?? (try? Tokenizer.read(stated))?.endOfDocument
            end = id.flatMap { id in tokenizer.text(of: id).map { (id, $0) } }
            return
        }
        throw TrainingError.file(
            path: stated,
            reason:
                "the tokenizer of the run is no tokenizer.json, is gone, or is another one by now; put it there again")
    }
}
