import Foundation
import Models
import Plans
import Schedules
import Reading
import TestSupport
import Testing

@Suite struct FrameworkTests {
    @Test func shippedFilesHoldWhatTheAutomaticChoiceNames() throws {
        let frameworks = try Frameworks.read(library: Checkout.library)
        #expect(Set(Frameworks.automaticNames).isSubset(of: Set(frameworks.known.keys)))
        let blocking = try #require(frameworks.known[Frameworks.blockingMegatron])
        let base = try #require(frameworks.known[Frameworks.unfusedMegatron])
        #expect(blocking.blockingLaunches && !base.blockingLaunches)
        #expect(blocking.elementwise == base.elementwise && blocking.hostForward > base.hostForward)
        #expect(blocking.takes(.elementwise, from: base.name) && !blocking.takes(.hostForward, from: base.name))
    }

    @Test(arguments: [
        (Layout(tensor: 8, flashAttention: false), 1e15, "megatron-core"),
        (Layout(data: 8, sharding: .parameters, flashAttention: false), 1e15, "torch-fsdp"),
        (Layout(data: 8, sharding: .parameters), 1e15, "torch-fsdp"),
        (Layout(data: 8, sharding: .parameters, shardGroup: 4), 1e15, "torch-fsdp"),
        (Layout(data: 8, sharding: .optimizer), 1e15, "megatron-core"),
        (Layout(data: 8, sharding: .gradients), 1e15, "megatron-core"),
        (Layout(data: 8), 1e15, "megatron-core"),
        (Layout(data: 8, tensor: 2, sharding: .optimizer), 1e15, "megatron-core"),
        (Layout(data: 8, tensor: 2, sharding: .parameters), 1e15, "megatron-core"),
        (Layout(data: 8, pipeline: 2, sharding: .parameters), 1e15, "megatron-core"),
        (Layout(data: 8, context: 2, sharding: .parameters), 1e15, "megatron-core"),
        (Layout(data: 8, expert: 2, sharding: .parameters), 1e15, "megatron-core"),
        (nil, 1e15, "megatron-core"), (nil, 1e11, "trainyard"),
        (Layout(pipeline: 2), 1e11, "trainyard"),
        (Layout(pipeline: 4, schedule: .dualPipe), 1e15, "deepseek-2024"),
        (Layout(pipeline: 4, virtualStages: 2, schedule: .dualPipeV), 1e15, "deepseek-2024"),
    ])
    func whatAPlanThatNamesNoneRunsOn(_ layout: Layout?, _ peak: Double, _ name: String) {
        #expect(Frameworks.automatic(for: layout, peak: peak) == name)
    }

    @Test func aNamedFrameworkIsTaken() throws {
        var frameworks = try Frameworks.read(library: Checkout.library)
        frameworks.named = "torch-ddp"
        #expect(frameworks.framework(for: Layout(tensor: 8), peak: 1e15).name == "torch-ddp")
    }

    /// What `extends` of a file takes: generations, products with and without a release, and paths.
    @Test(arguments: [
        ("megatron-core", "megatron-core"), ("nemo@25.04", "megatron-core"), ("torchtitan@2025-03", "torchtitan"),
        ("internevo", "torch-ddp"), ("./base.yaml", "mine"),
    ])
    func extendsTakesWhatFrameworkTakes(_ base: String, _ name: String) throws {
        let folder = try TemporaryFolder()
        _ = try folder.write("name: mine\nhostStep: 7 ms\n", as: "base.yaml")
        let path = try folder.write("extends: \(base)\nhostForward: 1 ms\n", as: "framework.yaml")
        let library = Library.standard(besides: path)
        let framework = try Framework.read(path: path, library: library)
        #expect(framework.bases.first?.name == name && framework.hostForward == 1e-3)
    }

    @Test(arguments: [
        ("nemo@", "must be a name, NAME@VERSION or NAME@YYYY-MM"), ("nemoo", "did you mean 'nemo'?"),
        ("torch-fsdp@2.1", "is one generation, which has no releases"), ("./nowhere.yaml", "no such file"),
        ("[]", "must be text"), ("{}", "must be text"),
    ])
    func wrongBasesAreOneProblem(_ base: String, _ said: String) throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("extends: \(base)\n", as: "framework.yaml")
        let problems = #expect(throws: PlanProblems.self) { try Framework.read(path: path, library: Checkout.library) }
        #expect(problems?.problems.count == 1 && "\(problems?.problems.first?.description ?? "")".contains(said))
    }

    /// A map or a list where a word or a number stands is one problem.
    @Test(arguments: [
        "name", "source", "since", "attention", "elementwise", "fusedNorms", "dispatcher", "expertKernels", "reserved",
        "userBuffers", "portableAttention",
    ])
    func aListInPlaceOfAWordIsOneProblem(_ key: String) throws {
        let folder = try TemporaryFolder()
        for value in ["[]", "{}"] {
            let path = try folder.write("\(key): \(value)\n", as: "framework.yaml")
            let problems = #expect(throws: PlanProblems.self) {
                try Framework.read(path: path, library: Checkout.library)
            }
            #expect(problems?.problems.count == 1, "\(key): \(value): \(problems?.description ?? "")")
        }
    }

    @Test func everythingWrongIsSaidAtOnce() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(
            "hostForwrd: 1 ms\ncontention: 3\ntwoGradients: yes\nhostStep: fast\n", as: "framework.yaml")
        do {
            _ = try Framework.read(path: path, library: Checkout.library)
            Issue.record("a wrong file was read")
        } catch {
            let text = error.problems.map { "\($0)" }.joined(separator: "\n")
            #expect(error.problems.count == 4)
            for word in ["hostForwrd", "contention", "twoGradients", "hostStep"] { #expect(text.contains(word)) }
        }
    }

    @Test func anUnknownBaseIsRefused() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("name: mine\nextends: no-such-framework\n", as: "framework.yaml")
        #expect(throws: PlanProblems.self) { try Framework.read(path: path, library: Checkout.library) }
    }

    /// Every shipped framework can be extended, those that extend one themselves too.
    @Test func anyFrameworkCanBeExtended() throws {
        for name in Checkout.library.frameworkNames {
            let base = try Framework.read(
                path: try #require(Checkout.library.frameworkFile(name)), library: Checkout.library)
            var framework = try Framework.read(
                text: "name: mine\nextends: \(name)\nhostStep: 1 s\n", path: "mine.yaml", library: Checkout.library)
            #expect(framework.bases.map(\.name) == [name] + base.bases.map(\.name))
            for ancestor in framework.bases { #expect(!framework.takes(.hostStep, from: ancestor.name)) }
            #expect(framework.takes(.contention, from: name))
            if !base.own.contains(.contention), let first = base.bases.first {
                #expect(framework.takes(.contention, from: first.name))
            }
            #expect(framework.hostStep == 1)
            #expect(framework.assumedConstants == base.assumedConstants.filter { $0 != .hostStep })
            (framework.name, framework.bases, framework.own) = (base.name, base.bases, base.own)
            // A file that extends another is software of its own, without products, runs and dates.
            #expect(framework.products.isEmpty && framework.sources.isEmpty && framework.since == nil)
            (framework.products, framework.sources) = (base.products, base.sources)
            (framework.since, framework.fitted) = (base.since, base.fitted)
            framework.assumed = base.assumed
            framework.hostStep = base.hostStep
            #expect(framework == base)
        }
    }

    /// Files that extend one another are refused by name, wherever the circle begins; a long line of files is none.
    @Test func aCircleIsRefused() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        let frameworks = folder.appendingPathComponent("frameworks")
        try FileManager.default.createDirectory(at: frameworks, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        func write(_ name: String, extends base: String) throws {
            try "extends: \(base)\n".write(
                to: frameworks.appendingPathComponent("\(name).yaml"), atomically: true, encoding: .utf8)
        }
        let library = Library(folders: [folder.path] + Checkout.library.folders)
        for index in 1...20 { try write("line-\(index)", extends: index == 20 ? "megatron-core" : "line-\(index + 1)") }
        let long = try Framework.read(text: "name: mine\nextends: line-1\n", path: "mine.yaml", library: library)
        #expect(long.bases.count == 21)
        try write("a", extends: "b")
        try write("b", extends: "c")
        try write("c", extends: "b")
        try write("self", extends: "self")
        for name in ["a", "b", "c", "self"] {
            let error = #expect(throws: PlanProblems.self) {
                try Framework.read(text: "name: mine\nextends: \(name)\n", path: "mine.yaml", library: library)
            }
            #expect(error?.problems.first?.rule == "these files extend one another in a circle")
        }
    }

    @Test func shardGroupsMustDivide() {
        let model = Model(family: .gpt, layers: 4, hidden: 64, heads: 4, vocab: 256, sequence: 64)
        let layout = Layout(data: 8, sharding: .parameters, shardGroup: 3)
        let problems = layout.problems(for: model, batch: 8, devices: 8)
        #expect(problems.map(\.field) == ["layout.shardGroup"])
        #expect(
            Layout(data: 8, sharding: .parameters, shardGroup: 4).problems(for: model, batch: 8, devices: 8).isEmpty)
    }
}
