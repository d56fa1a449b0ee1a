internal import Foundation
internal import Models
internal import Numbers
internal import Output
internal import Plans
internal import Reading
internal import Tensors

/// Writes the weights of a checkpoint as a folder that `transformers` opens.
package enum HuggingFaceExport {
    /// Number format of the written weights.
    package enum Format: String, CaseIterable, Sendable {
        case fp32, bf16

        /// The word of PyTorch.
        var word: String { self == .fp32 ? "float32" : "bfloat16" }
    }

    /// What was written.
    package struct Summary: Hashable, Codable, Sendable {
        package var checkpoint: String
        package var folder: String
        package var modelType: String
        /// Steps trained; nil: the weights do not say.
        package var step: Int?
        package var parameters: Int
        package var format: String
        package var bytes: Int
        package var files: [String]
    }

    /// - Parameters:
    ///   - path: a checkpoint, a run's folder or a folder of checkpoints, of which the newest is taken, or a file of weights.
    ///   - target: the folder to write. It appears whole, at the end.
    ///   - overwrites: whether an earlier export there is replaced.
    package static func write(
        _ path: String, to target: String, format: Format = .fp32, overwrites: Bool = false
    ) throws -> Summary {
        let path = try Checkpoint.newest(at: path)
        let source = try Checkpoint.weights(at: path)
        let model = try source.model()
        try RuntimeSupport.check(model: model)
        try source.check(model)
        let folder = source as? CheckpointFolder
        if let folder {
            do throws(CheckpointProblem) { try folder.checkTensors(reads: false) } catch { throw error.error }
        }
        let own = try RunTokenizer(of: folder)
        let configuration: WrittenConfiguration
        do throws(PlanProblems) {
            configuration = try WrittenConfiguration(
                model, format: format.word,
                endOfDocument: folder?.manifest.train.endOfDocument ?? own?.end.map { Int($0.id) })
        } catch {
            throw TrainingError.configuration(error.problems[0])
        }
        let place = ExportFolder(RunFolder.absolute(target))
        try place.check(overwrites: overwrites, source: path)
        try place.begin()
        do {
            try place.write(configuration.text.utf8, as: "config.json")
            try place.write(own?.text ?? ByteTokenizer.text(vocab: model.vocab), as: ByteTokenizer.file)
            try place.write(
                ByteTokenizer.configurationText(
                    longest: model.positionEntries ?? model.sequence, end: own?.end?.text),
                as: ByteTokenizer.configuration)
            try write(source, model, type: configuration.modelType, format, in: place)
            try place.finish()
        } catch {
            place.discard()
            throw error
        }
        var base = model
        base.tuning = nil
        let step =
            folder?.manifest.step ?? (source as? SafeTensorsFile)?.metadata[Checkpoint.stepKey].flatMap { Int($0) }
        return Summary(
            checkpoint: path, folder: target, modelType: configuration.modelType, step: step,
            parameters: ParameterLayout.allTensors(model: base).parameters, format: format.rawValue,
            bytes: place.bytes, files: ExportFolder.names)
    }

    /// Writes all tensors, adapters added to their matrices.
    private static func write(
        _ source: any WeightSource, _ model: Model, type: String, _ format: Format, in place: ExportFolder
    ) throws {
        var base = model
        base.tuning = nil
        let tensors = ParameterLayout.allTensors(model: base)
        let experts = model.moe?.experts ?? 0
        let adapters = Dictionary(
            model.tuning?.lora == nil ? [] : ParameterLayout.allTensors(model: model).map { ($0.name, $0) },
            uniquingKeysWith: { first, _ in first })
        let (word, width) = format == .fp32 ? ("F32", 4) : ("BF16", 2)
        let file = try place.file(HuggingFaceFolder.weights)
        try file.write(
            data: SafeTensorsFile.header(
                tensors.map {
                    (StoredName.places(of: $0, type: type, experts: experts)[0].name, word, width, $0.shape)
                },
                metadata: ["format": "pt"]))
        for tensor in tensors {
            let whole = Storage<Float>(count: tensor.count)
            try source.copy(tensor, to: whole.pointer)
            if let lora = model.tuning?.lora, let down = adapters[tensor.module + ".lora_A.weight"],
                let up = adapters[tensor.module + ".lora_B.weight"]
            {
                try merge(
                    down, up, of: source, scale: Float(lora.scale), isTransposed: model.conventions.isTransposed,
                    into: whole.pointer)
            }
            guard VectorMath.sumOfSquares(whole.pointer, count: tensor.count).isFinite else {
                throw TrainingError.weights(
                    path: source.path, reason: "tensor \(tensor.name) holds numbers that are none: its run had diverged"
                )
            }
            let values = UnsafeBufferPointer(start: whole.pointer, count: tensor.count)
            switch format {
            case .fp32: try file.write(UnsafeRawBufferPointer(values))
            case .bf16:
                let halves = Storage<BFloat16>(count: tensor.count)
                BFloat16.round(whole.pointer, into: halves.pointer, count: tensor.count)
                try file.write(UnsafeRawBufferPointer(start: halves.pointer, count: 2 * tensor.count))
            }
        }
        try place.end(file)
    }

    /// W += scale · B·A. A [r, I], B [O, r], W [O, I] if `isTransposed`, else [I, O].
    private static func merge(
        _ down: TensorSpec, _ up: TensorSpec, of source: any WeightSource, scale: Float, isTransposed: Bool,
        into weight: UnsafeMutablePointer<Float>
    ) throws(TrainingError) {
        let (rank, inputs, outputs) = (down.shape[0], down.shape[1], up.shape[0])
        let (a, b) = (Storage<Float>(count: down.count), Storage<Float>(count: up.count))
        try source.copy(down, to: a.pointer)
        try source.copy(up, to: b.pointer)
        for output in 0..<outputs {
            for number in 0..<rank {
                let factor = scale * b.pointer[output * rank + number]
                let row = a.pointer + number * inputs
                for input in 0..<inputs {
                    weight[isTransposed ? output * inputs + input : input * outputs + output] += factor * row[input]
                }
            }
        }
    }
}
