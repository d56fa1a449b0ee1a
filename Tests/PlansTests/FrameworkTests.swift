import Foundation
import Plans
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
    ])
    func whatAPlanThatNamesNoneRunsOn(_ layout: Layout?, _ peak: Double, _ name: String) {
        #expect(Frameworks.automatic(for: layout, peak: peak) == name)
    }

    @Test func aNamedFrameworkIsTaken() throws {
        var frameworks = try Frameworks.read(library: Checkout.library)
        frameworks.named = "torch-ddp"
        #expect(frameworks.framework(for: Layout(tensor: 8), peak: 1e15).name == "torch-ddp")
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

    @Test func aCircleOrAnUnknownBaseIsRefused() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("name: mine\nextends: no-such-framework\n", as: "framework.yaml")
        #expect(throws: PlanProblems.self) { try Framework.read(path: path, library: Checkout.library) }
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
