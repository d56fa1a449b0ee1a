import Foundation
import Models
import Output
import Plans
import Reading
import TestSupport
import Testing

/// Reading returns the files that were read as a value: nothing of one plan shows in another's.
struct ReadFilesTests {
    /// Paths below the checkout, with all frameworks as one.
    private func names(_ files: ReadFiles) -> Set<String> {
        Set(
            files.named.map { file in
                let name = file.path.replacing(Checkout.root + "/", with: "")
                return name.hasPrefix("frameworks/") ? "frameworks" : name
            })
    }

    @Test func aPlanReturnsEveryFileItWasReadWith() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "read-files-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appending(path: "plan.yaml").path
        try Data(
            """
            model: gpt3-175b
            cluster: {extends: h200-141g-sxm, price: 3}
            devices: 64
            """.utf8
        ).write(to: URL(filePath: path))
        var files = ReadFiles()
        _ = try Plan.read(path: path, library: Checkout.library, files: &files)
        #expect(
            names(files) == [
                path, "plans/models/gpt3-175b.yaml", "cluster/h200-141g-sxm.yaml", "cluster/h100-80g-sxm.yaml",
                "frameworks",
            ])
        var others = ReadFiles()
        _ = try Cluster.read("a100-80g-sxm", library: Checkout.library, files: &others)
        #expect(names(others) == ["cluster/a100-80g-sxm.yaml"])
        #expect(Set(files.named.map(\.path)).count == files.named.count)
    }

    @Test func aQuestionReturnsItsFiles() throws {
        var files = ReadFiles()
        _ = try Plan.question(
            parameters: nil, modelName: "llama2-7b", tokens: 1e12, gpu: "h800-80g-sxm", gpus: 8, batch: nil,
            sequence: nil, precision: nil, library: Checkout.library, files: &files)
        #expect(
            names(files) == [
                "plans/models/llama2-7b.yaml", "cluster/h800-80g-sxm.yaml", "cluster/h100-80g-sxm.yaml", "frameworks",
            ])
    }

    /// A file that is opened and found wrong has been read all the same.
    @Test func filesOfAPlanThatIsRefusedAreReturned() {
        var files = ReadFiles()
        #expect(throws: PlanProblems.self) {
            try Plan.question(
                parameters: nil, modelName: "llama2-7b", tokens: -1, gpu: "h800-80g-sxm", gpus: 8, batch: nil,
                sequence: nil, precision: nil, library: Checkout.library, files: &files)
        }
        #expect(names(files).contains("cluster/h800-80g-sxm.yaml"))
    }
}
