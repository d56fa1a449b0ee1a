import Foundation
import Interchange
import Models
import Plans
import Reading
import TestSupport
import Testing

/// Traces of PyTorch's profiler read as seconds of a step by part.
@Suite struct TraceReadingTests {
    static func plan(devices: Int, _ layout: String, moe: String = "") throws -> (layout: Layout, model: Model) {
        let plan = try Plan.read(
            text: """
                model: {family: llama, layers: 8, hidden: 1024, heads: 16, ffn: 2816, vocab: 32000, sequence: 2048\(moe)}
                cluster: h100-80g-sxm
                devices: \(devices)
                batch: 192
                layout: \(layout)
                """, path: "plan.yaml", library: Checkout.library)
        return (try #require(plan.layout), plan.model)
    }

    static func read(
        _ texts: [String], devices: Int, _ layout: String, moe: String = "", names: [String]? = nil
    ) throws -> TracedRun {
        let folder = try TemporaryFolder()
        let paths = try texts.enumerated().map { try folder.write($1, as: names?[$0] ?? "trace-\($0).json") }
        let plan = try plan(devices: devices, layout, moe: moe)
        return try TracedRun.read(paths, layout: plan.layout, model: plan.model)
    }

    static func problems(_ body: () throws -> TracedRun) throws -> [String] {
        do {
            _ = try body()
            return []
        } catch let problems as PlanProblems {
            return problems.problems.map { $0.description.replacing(#/\/[^ ]*\/trainyard-[^\/]*\//#, with: "") }
        }
    }

    private func near(_ a: Double?, _ microseconds: Double) -> Bool { abs((a ?? -1) - microseconds * 1e-6) < 1e-9 }

    /// One step of 1000 µs, added up by hand: 300 + 200 of compute, 150 of a reduction in sight and 100 beside compute,
    /// 50 of the optimizer, the rest idle.
    @Test func everyMomentCountsOnce() throws {
        var trace = ProfilerText(rank: 0, world: 2)
        trace.step(4, at: 1000, for: 1000)
        trace.kernel(KernelName.matmul, at: 1000, for: 300)
        trace.kernel("void pytorch_flash::flash_fwd_kernel<128>", at: 1350, for: 200)
        trace.collective("_reduce_scatter_base", KernelName.reduceScatter, ranks: [0, 1], at: 1450, for: 250)
        trace.kernel(KernelName.adam, at: 1800, for: 50)
        let run = try Self.read([trace.text], devices: 2, "{data: 2, sharding: optimizer}")
        let step = try #require(run.ranks.first?.steps.first)
        #expect(run.source == .devices && run.expectedRanks == 2)
        #expect(step.number == 4)
        #expect(near(step.seconds, 1000))
        #expect(near(step.parts[.computing], 500))
        #expect(near(step.parts[.data], 150))
        #expect(near(step.hidden[.data], 100))
        #expect(near(step.parts[.optimizer], 50))
        #expect(near(step.parts[.other], 300))
        #expect(near(step.parts.values.reduce(0, +), 1000))
        #expect(near(step.groups[TracedGroup(parts: .data, ranks: [0, 1])], 250))
        #expect(near(step.kernels[.matrixProducts], 300) && near(step.kernels[.attention], 200))
    }

    /// 16 ranks: tensor 2, context 2, data 2, pipeline 2, the first innermost.
    @Test(
        arguments: [
            ("allreduce", KernelName.allReduce, [0, 1], StepParts.tensor),
            ("_allgather_base", KernelName.allGather, [0, 1], .tensor),
            ("send", KernelName.sendReceive, [0, 2], .context),
            ("all_to_allv", KernelName.sendReceive, [0, 2], .context),
            ("_allgather_base", KernelName.allGather, [0, 4], .data),
            ("_reduce_scatter_base", KernelName.reduceScatter, [0, 2, 4, 6], .data),
            ("send", KernelName.sendReceive, [0, 8], .pipeline),
            ("recv", KernelName.sendReceive, [0, 8], .pipeline),
            ("allreduce", KernelName.allReduce, [0, 8], StepParts(.reduction)),
            ("allreduce", KernelName.allReduce, Array(0..<16), .outside),
        ] as [(String, String, [Int], StepParts)])
    func groupsByTheirRanks(collective: String, kernel: String, ranks: [Int], parts: StepParts) throws {
        var trace = ProfilerText(rank: 0, world: 16)
        trace.step(1, at: 0, for: 100)
        trace.collective(collective, kernel, ranks: ranks, at: 10, for: 60)
        let run = try Self.read([trace.text], devices: 16, "{tensor: 2, context: 2, data: 2, pipeline: 2}")
        let step = try #require(run.ranks.first?.steps.first)
        #expect(near(step.groups[TracedGroup(parts: parts, ranks: ranks)], 60), "\(step.groups)")
    }

    /// Experts lie over the ranks of a stage without regard to the dense layers' degrees.
    @Test func exchangesOfExperts() throws {
        var trace = ProfilerText(rank: 0, world: 16)
        trace.step(1, at: 0, for: 1000)
        trace.collective("all_to_allv", KernelName.sendReceive, ranks: [0, 1, 2, 3], at: 0, for: 30)
        trace.collective("_reduce_scatter_base", KernelName.reduceScatter, ranks: [0, 4, 8, 12], at: 100, for: 40)
        trace.collective(
            "_reduce_scatter_base", KernelName.reduceScatter, ranks: [0, 2, 4, 6, 8, 10, 12, 14], at: 200, for: 50)
        let run = try Self.read(
            [trace.text], devices: 16, "{tensor: 2, data: 8, expert: 4, sequenceParallel: true}",
            moe: ", moe: {experts: 8, topK: 2, ffn: 1024}")
        let step = try #require(run.ranks.first?.steps.first)
        #expect(near(step.parts[.expert], 30), "\(step.parts)")
        #expect(near(step.parts[.data], 90), "\(step.parts)")
    }

    /// Kineto writes 29 ranks of a large group, dots, and the last.
    @Test func longListsOfRanks() throws {
        var trace = ProfilerText(rank: 0, world: 128)
        trace.step(1, at: 0, for: 100)
        trace.collective(
            "_reduce_scatter_base", KernelName.reduceScatter, ranks: stride(from: 0, to: 128, by: 2).map(\.self),
            size: 64, at: 0, for: 60)
        let run = try Self.read([trace.text], devices: 128, "{tensor: 2, data: 64}")
        #expect(near(run.ranks[0].steps[0].parts[.data], 60))
    }

    /// Records without ranks: by the list in the head, by the description, by the size, by the kernel alone.
    @Test(
        arguments: [
            (#""Collective name": "allreduce", "Group size": 2, "Process Group Name": "3""#, StepParts.tensor),
            (
                #""Collective name": "allreduce", "Group size": 2, "Process Group Description": "TENSOR_MODEL_PARALLEL_GROUP""#,
                .tensor
            ),
            (#""Collective name": "allreduce", "Group size": 4"#, .data),
            ("", [.tensor, .data]),
        ] as [(String, StepParts)])
    func groupsWithoutRanks(record: String, parts: StepParts) throws {
        let groups = record.isEmpty ? "" : #"{"pg_name": "3", "pg_desc": "undefined", "ranks": [0, 1]}"#
        var trace = ProfilerText(rank: 0, world: 8, groups: groups)
        trace.step(1, at: 0, for: 100)
        trace.kernel(KernelName.allReduce, at: 0, for: 60, stream: 20, record)
        let run = try Self.read([trace.text], devices: 8, "{tensor: 2, data: 4}")
        #expect(near(run.ranks[0].steps[0].parts[parts], 60), "\(run.ranks[0].steps[0].parts)")
    }

    /// Without annotations of the device, a kernel belongs to the step that launched it.
    @Test func stepsByLaunches() throws {
        var trace = ProfilerText(rank: 0)
        for step in 0..<3 {
            let start = Double(step) * 100
            trace.event("user_annotation", "ProfilerStep#\(step)", at: start, for: 100, thread: 1)
            trace.event(
                "cuda_runtime", "cudaLaunchKernel", at: start + 90, for: 1, thread: 1, #""correlation": \#(step + 1)"#)
            // The device runs half a step behind the host.
            trace.kernel(KernelName.matmul, at: start + 150, for: 80)
        }
        let run = try Self.read([trace.text], devices: 1, "{data: 1}")
        let steps = try #require(run.ranks.first?.steps)
        #expect(steps.map(\.number) == [0, 1, 2])
        #expect(steps.map { near($0.parts[.computing], 80) } == [true, true, true])
        #expect(near(steps[0].seconds, 100) && near(steps[2].seconds, 80))
    }

    /// Operators contain one another, and gloo's collectives run on a thread of their own.
    @Test func operatorsOfTheHost() throws {
        var trace = ProfilerText(
            rank: 1, world: 2, groups: #"{"pg_name": "0", "pg_desc": "default_pg", "pg_size": 2, "ranks": [0, 1]}"#)
        trace.event("user_annotation", "ProfilerStep#2", at: 0, for: 1000, thread: 1)
        trace.event("cpu_op", "aten::linear", at: 0, for: 200, thread: 1)
        trace.event("cpu_op", "aten::addmm", at: 10, for: 180, thread: 1)
        trace.event("cpu_op", "aten::copy_", at: 20, for: 20, thread: 1)
        trace.event("cpu_op", "autograd::engine::evaluate_function: AddmmBackward0", at: 300, for: 200, thread: 1)
        trace.event("cpu_op", "aten::mm", at: 350, for: 100, thread: 1)
        trace.event("user_annotation", "gloo:all_reduce", at: 400, for: 200, thread: 2)
        trace.event("user_annotation", "Optimizer.step#AdamW.step", at: 700, for: 100, thread: 1)
        trace.event("cpu_op", "aten::mul_", at: 710, for: 10, thread: 1)
        let run = try Self.read([trace.text], devices: 2, "{data: 2}")
        let step = try #require(run.ranks.first?.steps.first)
        #expect(run.source == .operations && run.ranks[0].rank == 1)
        #expect(near(step.parts[.computing], 300) && near(step.kernels[.matrixProducts], 300), "\(step)")
        #expect(near(step.parts[.data], 150) && near(step.hidden[.data], 50))
        #expect(near(step.parts[.optimizer], 100))
        #expect(near(step.parts.values.reduce(0, +), 1000))
    }

    /// Two packings of one trace by Python's gzip: with codes of its own, and with the fixed ones.
    @Test(arguments: [
        "H4sIAAAAAAACA72SQUvEMBCF/0qJV5G21irePOzByyIoIoiENJ3dxqZJmaS1bOl/N9Mtsgi6guLt5c28l4+QkTlZQSMeAZ2yhl1HyWnESuU8qqLzUN6ajQ3uyAohazBl0MxIqVlYQ2HqJfFmUZfcqR0EI52C41FIWPVgvAvW88jairJPFJTCk962He8cIBfGWC88AYSpEQ21sDu0G6UB7z20J+c0aRXdH1P7rC5JUX18RmbZIeHE8f4ocOtm9NXgAY3Q0RxKpoD3W5zsW5wPhJ8RpV8R1WEJ9CGE6V/Bc+88T9KrIb3IeZ4NGU+GlFe82HFpbXvD1+uHY3wHePlnuhJ6JWGJhp8AolnS0iKC3j8N1fw7+F+Rh0/wMr0DEJfEDv0CAAA=",
        "H4sIAAAAAAACA6tWKk7OSM1NDEstKs7Mz1OyUjDUUVBKySwuKcpMKi1JTfHMS8sHilYrJSUmZ6fmpQDZSnnJyTlKQGVFiXnZUB3l+UU5KfHFmVWpQAGjWqBISVFicqprWWpeSTFQKLpaqSADpDcCpDE5sQTETi8ojS8tTi2KT8zLyy9JLAE5ACibl5gLMkUpoCg/LTMntSi4JLVA2RgkU5AJst8AZDqYZQ5igYw30AMJppQWgZxjYADhJhalF4Od7lpRklqUl5ijANZkWAt0HqXOMcHrHLgTiHORES4XZQMVpeYgOyKvLCu1JL6kuCTe0MiiwsjULN7MpMIk3rDCKD4jPqkqPjk/v8Ax3s8vhJD7kJxnhu66lNSyzORUqFZgSkhNzIXqTs4vKkrNgQQNyBi6O5xaLgcmgthaABCXxA79AgAA",
    ])
    func packedTraces(base64: String) throws {
        let bytes = try #require(Data(base64Encoded: base64))
        let folder = try TemporaryFolder()
        let plan = try Self.plan(devices: 2, "{data: 2}")
        let path = try folder.write(bytes, as: "rank1.json.gz")
        let run = try TracedRun.read([path], layout: plan.layout, model: plan.model)
        #expect(run.ranks.map(\.rank) == [1])
        #expect(run.ranks[0].steps.map(\.number) == [3, 4])
        #expect(near(run.ranks[0].steps[0].parts[.computing], 600) && near(run.ranks[0].steps[0].seconds, 1000))

        var damaged = bytes
        damaged[bytes.count / 2] ^= 0x10
        for (bytes, rule) in [(damaged, "damaged"), (bytes.prefix(bytes.count / 2), "cut off")] {
            let path = try folder.write(bytes, as: "bad.json.gz")
            let found = try Self.problems { try TracedRun.read([path], layout: plan.layout, model: plan.model) }
            #expect(found.count == 1 && found[0].contains("gzip"), "\(rule): \(found)")
        }
    }

    /// The rank of a file: what the trace says, else what its name says, else its place.
    @Test func ranksOfFiles() throws {
        var named = ProfilerText(rank: 3, world: 4)
        var bare = ProfilerText(rank: nil)
        for index in 1...2 {
            named.step(index, at: Double(index) * 100, for: 100)
            bare.step(index, at: Double(index) * 100, for: 100)
            named.kernel(KernelName.matmul, at: Double(index) * 100, for: 50)
            bare.kernel(KernelName.matmul, at: Double(index) * 100, for: 50)
        }
        let texts = [named.text, bare.text, bare.text]
        let run = try Self.read(
            texts, devices: 4, "{data: 4}", names: ["rank0.json", "worker_rank-1.pt.json", "c.json"])
        #expect(run.ranks.map(\.rank) == [1, 2, 3])
        #expect(run.notes.contains { $0.contains("c.json names no rank") })
        let doubled = try Self.problems {
            try Self.read(texts, devices: 4, "{data: 4}", names: ["a.json", "rank2.json", "c.json"])
        }
        #expect(doubled.count == 1 && doubled[0].hasPrefix("c.json: is of rank 2, and so is"), "\(doubled)")
    }
}
