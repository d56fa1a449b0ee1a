import Foundation
import TestSupport
import Testing

/// Real runs with adapters, frozen parts and packed documents, as a user starts them.
@Suite(.enabled(if: BuiltProgram.mpirun != nil, "mpirun is not installed; scripts/setup.sh installs it"), .serialized)
struct AdapterRunTests {
    /// Tensors of a safetensors file, as bytes by name.
    private func tensors(_ url: URL) throws -> [String: Data] {
        let file = try Data(contentsOf: url)
        let length = Int(file.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) })
        let header = try #require(
            JSONSerialization.jsonObject(with: file.subdata(in: 8..<8 + length)) as? [String: Any])
        var found: [String: Data] = [:]
        for (name, entry) in header where name != "__metadata__" {
            let places = try #require((entry as? [String: Any])?["data_offsets"] as? [Int])
            found[name] = file.subdata(in: 8 + length + places[0]..<8 + length + places[1])
        }
        return found
    }

    private func job(_ lines: String, steps: Int, layout: [String] = []) throws -> TrainingJob {
        var shape = TrainingJob.Shape()
        (shape.steps, shape.layers, shape.learningRate, shape.layout) = (steps, 2, "1e-2", layout)
        let job = try TrainingJob(shape)
        let text = try String(contentsOf: job.plan, encoding: .utf8)
        try (lines + "\n" + text).write(to: job.plan, atomically: true, encoding: .utf8)
        return job
    }

    private func saved(_ job: TrainingJob, processes: Int = 1) throws -> (URL, [String: Data]) {
        let path = job.folder.appending(path: "weights.safetensors")
        try job.train(processes: processes, ["--save", path.path])
        return (path, try tensors(path))
    }

    /// Adapters learn and nothing else does; the first step's loss is that of the model without them; PEFT's files hold
    /// what the checkpoint holds.
    @Test func adaptersAloneAreTrained() throws {
        let lora = "lora: {rank: 4, alpha: 8, targetModules: [c_attn, mlp.c_proj]}"
        let job = try job(lora, steps: 40)
        let (path, weights) = try saved(job)
        let losses = try job.steps().map(\.loss)
        let plain = try self.job("", steps: 1)
        let (_, start) = try saved(try self.job(lora, steps: 1))
        try plain.train(processes: 1)
        #expect(try plain.steps()[0].loss == losses[0])
        // Steps read different text, so a few are averaged.
        #expect(losses.suffix(5).reduce(0, +) < losses.prefix(5).reduce(0, +))
        let adapters = weights.keys.filter { $0.contains(".lora_") }
        #expect(adapters.count == 2 * 2 * 2)
        for (name, bytes) in weights { #expect((start[name] == bytes) != adapters.contains(name), "\(name)") }

        let folder = path.deletingLastPathComponent().appending(path: "weights-adapter")
        let written = try tensors(folder.appending(path: "adapter_model.safetensors"))
        #expect(Set(written.keys) == Set(adapters.map { "base_model.model." + $0 }))
        for name in adapters { #expect(written["base_model.model." + name] == weights[name]) }
        let configuration = try #require(
            JSONSerialization.jsonObject(with: Data(contentsOf: folder.appending(path: "adapter_config.json")))
                as? [String: Any])
        #expect(configuration["r"] as? Int == 4 && configuration["lora_alpha"] as? Int == 8)
        #expect(configuration["target_modules"] as? [String] == ["c_attn", "mlp.c_proj"])
        #expect(configuration["peft_type"] as? String == "LORA" && configuration["fan_in_fan_out"] as? Bool == true)

        let text = try BuiltProgram("trainyard").run([
            "generate", path.path, "--prompt", "To be", "--tokens", "5", "--seed", "3",
        ])
        #expect(text.exitCode == 0, "\(text.everything)")
    }

    @Test func frozenPartsStayAsTheyAre() throws {
        let frozen = "frozen: [embedding, layers 0, norms]"
        let (_, weights) = try saved(try job(frozen, steps: 2, layout: ["pipeline: 2"]), processes: 2)
        let (_, start) = try saved(try job(frozen, steps: 1))
        for (name, bytes) in weights {
            let isFrozen =
                name.hasPrefix("wte") || name.hasPrefix("wpe") || name.hasPrefix("h.0.") || name.contains("ln_")
            #expect((start[name] == bytes) == isFrozen, "\(name)")
        }
    }

    /// A sequence that is one document trains as one that is not packed; several documents do not.
    @Test func documentsAreKeptApart() throws {
        func losses(_ lines: String) throws -> [Double] {
            let job = try job(lines, steps: 2)
            try job.train(processes: 1)
            return try job.steps().map(\.loss)
        }
        let plain = try losses("")
        #expect(try losses("packing: {documents: 16, endOfDocument: 255}") == plain)
        let text = formulaText(count: 64)
        #expect(try losses("packing: {documents: 4, endOfDocument: \(text[3])}") != plain)
    }
}
