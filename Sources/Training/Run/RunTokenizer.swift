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

    /// Looks for the copy in the run's folder, then where the plan named it.
    /// - Returns: nil for weights without a run, and for a run whose tokens are bytes.
    /// - Throws: `TrainingError.file` where the tokenizer is gone or is another one by now.
    init?(of checkpoint: CheckpointFolder?) throws {
        guard let checkpoint, checkpoint.manifest.train.tokenizer != "bytes" else { return nil }
        let stated = checkpoint.manifest.train.tokenizer
        let folder = URL(fileURLWithPath: checkpoint.path).deletingLastPathComponent().deletingLastPathComponent().path
        for path in [folder + "/" + RunFolder.tokenizer, stated] {
            guard let file = ExportFolder.tokenizerFile(at: path),
                let tokenizer = try? Tokenizer.read(path == stated ? stated : file),
                checkpoint.manifest.tokenizerDigest.map({ $0 == String(tokenizer.digest, radix: 16) }) ?? true,
                let text = FileManager.default.contents(atPath: file)
            else { continue }
            self.text = text
            // A folder may name the token in a file beside, which is not copied.
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
