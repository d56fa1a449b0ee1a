internal import Foundation
package import Models
internal import Plans
package import Tokens

/// Trained weights to generate text with, and the tokenizer that goes with them.
package struct GenerationSource {
    /// The checkpoint, file or folder that the weights are in.
    package let path: String
    package let weights: any WeightSource
    package let model: Model
    package let tokenizer: Tokenizer
    /// What a checkpoint says of its run; nil: the weights lie in another file.
    package var manifest: CheckpointManifest? { (weights as? CheckpointFolder)?.manifest }

    /// - Parameters:
    ///   - path: a checkpoint, a run's folder, a file of weights or a folder of Hugging Face's.
    ///   - tokenizer: the tokenizer that is asked for; nil: the one that goes with the weights.
    /// - Throws: `TrainingError` or `PlanProblems`.
    package init(_ path: String, tokenizer named: String?) throws {
        let newest = try Checkpoint.newest(at: path)
        self.path = newest
        weights = try Checkpoint.weights(at: newest)
        var model = try weights.model()
        // Where nobody states a length, a plan takes a usual one; here memory is taken for the text alone.
        if let folder = weights as? HuggingFaceFolder { model.sequence = folder.longest }
        self.model = model
        try RuntimeSupport.check(model: model)
        tokenizer = try Tokenizer.read(try named ?? Self.tokenizer(of: weights, given: path))
        try Self.check(tokenizer, model, weights)
    }

    /// The name of the tokenizer that goes with weights.
    private static func tokenizer(of weights: any WeightSource, given: String) throws(TrainingError) -> String {
        let files = FileManager.default
        func folder(_ path: String) -> String { (path as NSString).deletingLastPathComponent }
        if let checkpoint = weights as? CheckpointFolder {
            // RUN/checkpoints/step-000200: a folder is a run's where its manifest lies.
            let above = [given, folder(checkpoint.path), folder(folder(checkpoint.path))]
            let runs = above.filter { files.fileExists(atPath: $0 + "/" + RunFolder.manifest) }
            let found = ([checkpoint.path] + runs).lazy.compactMap(RunTokenizer.name)
            return found.first ?? checkpoint.manifest.train.tokenizer
        }
        let isFolder = weights is HuggingFaceFolder
        let place = isFolder ? weights.path : folder(weights.path)
        let beside = place.isEmpty ? "." : place
        if files.fileExists(atPath: beside + "/" + RunFolder.tokenizer) {
            return beside + "/" + (isFolder ? "" : RunFolder.tokenizer)
        }
        guard isFolder else { return "bytes" }
        if files.fileExists(atPath: beside + "/vocab.json") { return beside }
        throw .file(
            path: beside,
            reason: "holds no tokenizer (tokenizer.json, or vocab.json and merges.txt); --tokenizer names one, or bytes"
        )
    }

    /// Makes sure that the tokenizer's numbers are the model's.
    private static func check(_ tokenizer: Tokenizer, _ model: Model, _ weights: any WeightSource) throws(TrainingError)
    {
        if let folder = weights as? CheckpointFolder,
            let digits = folder.manifest.tokenizerDigest, let digest = UInt64(digits, radix: 16),
            digest != tokenizer.digest
        {
            throw .weights(
                path: folder.path,
                reason: "the run had another tokenizer than \(tokenizer.name): their digests are \(digits) and "
                    + "\(String(tokenizer.digest, radix: 16)); --tokenizer names the run's")
        }
        // Of bytes a model may know the first ones only: a prompt with others is refused.
        guard tokenizer.name == "bytes" || tokenizer.vocabularySize <= model.vocab else {
            throw .weights(
                path: weights.path,
                reason: "the model knows \(model.vocab) tokens, and the tokenizer \(tokenizer.name) has "
                    + "\(tokenizer.vocabularySize); --tokenizer names another")
        }
    }

    /// The tokens of a prompt, with those that the tokenizer puts before a text. There is at least one.
    /// - Throws: `TrainingError` for a prompt that the model has no token for.
    package func tokens(of prompt: String) throws(TrainingError) -> [Int32] {
        var tokens = tokenizer.prefix + tokenizer.encode(Array(prompt.utf8))
        // A model needs a token to go on from.
        if tokens.isEmpty { tokens = tokenizer.endOfDocument.map { [$0] } ?? tokenizer.encode([UInt8(ascii: "\n")]) }
        if tokens.isEmpty {
            throw .unsupported(
                field: "prompt", value: String(reflecting: String(prompt.prefix(40))),
                reason: "the tokenizer \(tokenizer.name) has no token for any of it")
        }
        if let foreign = tokens.first(where: { $0 < 0 || $0 >= model.vocab }) {
            throw .unsupported(
                field: "prompt", value: "\(tokenizer.name == "bytes" ? "byte" : "token") \(foreign)",
                reason: "the model knows the tokens 0 to \(model.vocab - 1)")
        }
        return tokens
    }

    /// Tokens that may be drawn: those that the model knows and the tokenizer can write.
    package var vocabulary: Int { min(model.vocab, max(1, tokenizer.vocabularySize)) }
}
