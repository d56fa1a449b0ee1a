import Foundation
import Inference
import Models
import Plans
import Reading
import TestSupport
import Testing

/// Files of questions, and what is said about bad ones.
@Suite struct ServingReadingTests {
    private static func read(_ text: String, _ overrides: [ServingFile.Override] = []) throws -> ServingFile {
        var files = ReadFiles()
        return try ServingFile.read(
            text: text, path: "q.yaml", overrides: overrides, library: Checkout.library, files: &files)
    }

    private static let good = """
        model: llama3-8b
        cluster: h100-80g-sxm
        devices: 2
        weights: {format: int4, group: 32, groupBits: 32}
        cache: fp8
        batch: max
        prompt: 2K
        output: 512
        tensor: 2
        """

    @Test func everyKeyIsRead() throws {
        let question = try Self.read(Self.good + "\npipeline: 1\nexpert: 1\nchunk: 4096\noverlap: true\nends: int8")
            .question
        #expect(question.devices == 2 && question.tensor == 2 && question.pipeline == 1 && question.expert == 1)
        #expect(question.work.weights.bytes * 8 == 5)
        #expect(question.work.cache == .fp8 && question.work.ends == .int8)
        #expect(question.takesLargestBatch && question.work.overlaps)
        #expect(question.work.prompt == 2000 && question.work.output == 512 && question.work.chunk == 4096)
    }

    @Test func optionsTakeThePlaceOfKeys() throws {
        let question = try Self.read(
            Self.good, [.init("batch", "3"), .init("cluster", "a100-80g-sxm"), .init("weights", "nf4")]
        ).question
        #expect(question.work.batch == 3 && !question.takesLargestBatch)
        #expect(question.cluster.name == "a100-80g-sxm" && question.work.weights == .nf4)
        #expect(question.work.prompt == 2000)
        // A wrong key that an option replaces is not read.
        #expect(throws: Never.self) { try Self.read(Self.good + "\npipeline: x", [.init("pipeline", "1")]) }
    }

    @Test func noFileIsNeeded() throws {
        var files = ReadFiles()
        let file = try ServingFile.read(
            path: nil, overrides: [.init(parameters: "2.8B"), .init("cluster", "phone-4g")], library: Checkout.library,
            files: &files)
        #expect(file.question.work.weights == .fp16)
        #expect(abs(Double(file.question.model.parameters().total) / 2.8e9 - 1) < 0.1)
    }

    /// All problems at once, each with line and column.
    @Test func problemsSayWhereAndHow() throws {
        let text = """
            model: lama3-8b
            cluster: h100-80g-sxm
            weights: int5
            batch: none
            prompt: 0
            tensr: 2
            """
        do {
            _ = try Self.read(text)
            Issue.record("nothing was said")
        } catch let problems as PlanProblems {
            let lines = problems.problems.map(\.description)
            #expect(lines.count == 5)
            for (start, part) in [
                ("q.yaml:1:8: model", "did you mean 'llama3-8b'?"), ("q.yaml:3:10: weights", "must be fp32"),
                ("q.yaml:4:8: batch", "whole number"), ("q.yaml:5:9: prompt", "whole number"),
                ("q.yaml:6:1: tensr", "did you mean 'tensor'?"),
            ] {
                #expect(lines.contains { $0.hasPrefix(start) && $0.contains(part) }, "\(start): \(lines)")
            }
        }
    }

    @Test func problemsOfOptionsNameThem() throws {
        do {
            _ = try Self.read(Self.good, [.init("cluster", "h900"), .init("devices", "'; rm")])
            Issue.record("nothing was said")
        } catch let problems as PlanProblems {
            let lines = problems.problems.map(\.description)
            #expect(lines.contains { $0.hasPrefix("--gpu: ") } && lines.contains { $0.hasPrefix("--devices: ") })
        }
    }

    @Test(arguments: ["model: llama3-8b", "cluster: h100-80g-sxm", "{}", "[]", "- a", "model: {params: 1}"])
    func whatIsMissingIsSaid(text: String) {
        #expect(throws: PlanProblems.self) { try Self.read(text) }
    }

    @Test(arguments: [
        ("flux-dev", "images or videos"), ("llama3-8b", "divide heads"),
    ])
    func impossibleQuestionsAreRefused(model: String, said: String) throws {
        var question = try Self.read("model: \(model)\ncluster: h100-80g-sxm\ndevices: 7").question
        question.tensor = 7
        do {
            _ = try question.estimate()
            Issue.record("nothing was said")
        } catch {
            #expect(error.description.contains(said), "\(error)")
        }
    }

    /// Every committed question has an answer, or says why it does not fit.
    @Test func committedQuestionsAreAnswered() throws {
        let folder = Checkout.root + "/plans/inference"
        let names = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".yaml") }
        #expect(names.count >= 2)
        for name in names {
            var files = ReadFiles()
            let file = try ServingFile.read(path: "\(folder)/\(name)", library: Checkout.library, files: &files)
            let estimate = try file.question.estimate()
            #expect(estimate.memory.fits)
        }
    }
}
