import Foundation
import Interchange
import Plans
import TestSupport
import Testing

/// Files that are no traces, or not of the plan: every refusal names the file, the place and the fix.
@Suite struct TraceProblemTests {
    private func problems(
        _ texts: [String], devices: Int = 2, _ layout: String = "{data: 2}"
    ) throws -> [String] {
        try TraceReadingTests.problems { try TraceReadingTests.read(texts, devices: devices, layout) }
    }

    private static func trace(rank: Int, world: Int, hasSteps: Bool = true, hasKernels: Bool = true) -> String {
        var trace = ProfilerText(rank: rank, world: world)
        if hasSteps { trace.step(1, at: 0, for: 100) }
        if hasKernels { trace.kernel(KernelName.matmul, at: 0, for: 50) }
        trace.event("cpu_op", "aten::mm", at: 0, for: 10, thread: 1)
        return trace.text
    }

    @Test(arguments: [
        ("", "trace-0.json: is empty"),
        (
            "tokens: 5\n",
            "trace-0.json:1:1: is not JSON of trace events: is no JSON of trace events: it begins with neither"
        ),
        (
            "{\"traceEvents\": [\n  {\"ph\": \"X\" \"cat\": \"kernel\"}\n]}",
            "trace-0.json:2:14: is not JSON of trace events: expected ','"
        ),
        ("{\"traceEvents\": [\n  {\"ph\": \"X\", \"cat\": \"ker", "the file is cut off"),
        (
            "{\"traceEvents\": [{\"ph\": \"X\", \"args\": {\"a\": [1}}]}",
            "trace-0.json:1:46: is not JSON of trace events: a bracket is closed by '}'"
        ),
        ("{\"traceEvents\": {}}", "trace-0.json:1:17: is not JSON of trace events: traceEvents must be a list"),
        ("{\"traceEvents\": [5]}", "an event must be a map"),
        ("{\"traceEvents\": [{\"ph\": \"X\", \"cat\": \"kernel\", \"name\": \"k\"}]}", "must have numbers ts and dur"),
        (
            "{\"traceEvents\": [{\"ph\": \"X\", \"cat\": \"kernel\", \"ts\": 1, \"dur\": -4}]}",
            "must have numbers ts and dur"
        ),
        ("{\"traceEvents\": []} x", "text follows the end of the JSON"),
        ("{\"traceEvents\": []}", "trace-0.json: has no trace events; see the key traceEvents"),
        ("[]", "trace-0.json: has no trace events"),
        ("{\"traceEvents\": [{\"ph\": \"i\", \"ts\": 1}]}", "has 1 event, and none is a kernel or an operator"),
        (trace(rank: 0, world: 2, hasSteps: false), "has no ProfilerStep# annotation"),
        (
            trace(rank: 0, world: 4),
            "is of a run of 4 ranks, and the plan has 2 devices; name the plan of that run, or give --devices 4"
        ),
        (trace(rank: 5, world: 2), "is of rank 5, and the plan has the ranks 0 to 1"),
    ])
    func files(text: String, problem: String) throws {
        let found = try problems([text])
        #expect(found.count == 1 && found[0].contains(problem), "\(found)")
    }

    @Test func filesTogether() throws {
        let one = Self.trace(rank: 1, world: 2)
        #expect(try problems([one, one]).map { $0.contains("is of rank 1, and so is") } == [true])
        let host = try problems([
            one,
            Self.trace(rank: 0, world: 2, hasKernels: false).replacing("gpu_user_annotation", with: "user_annotation"),
        ])
        #expect(host.count == 1 && host[0].hasPrefix("trace-1.json: has no kernels of a device"), "\(host)")
        // All files are looked at.
        #expect(try problems(["", Self.trace(rank: 0, world: 8)]).count == 2)
    }

    @Test func noFiles() throws {
        let plan = try TraceReadingTests.plan(devices: 2, "{data: 2}")
        for (path, rule) in [
            ("/no/such/trace.json", "no such file"), ("/", "is a directory; name the trace files in it"),
        ] {
            let found = try TraceReadingTests.problems {
                try TracedRun.read([path], layout: plan.layout, model: plan.model)
            }
            #expect(found.count == 1 && found[0].contains(rule), "\(found)")
        }
    }

    /// No cut and no changed byte of a trace may end the program.
    @Test func mutatedTraces() throws {
        let text = Array(Self.trace(rank: 0, world: 2).utf8)
        let folder = try TemporaryFolder()
        let plan = try TraceReadingTests.plan(devices: 2, "{data: 2}")
        let noise: [UInt8] = [0, 0x22, 0x5C, 0x7B, 0x7D, 0x5B, 0x5D, 0x2C, 0x3A, 0x2D, 0x65, 0x39, 0xFF]
        var refused = 0
        for place in stride(from: 0, to: text.count, by: 3) {
            for change in 0..<2 {
                var bytes = text
                if change == 0 {
                    bytes.removeLast(bytes.count - place)
                } else {
                    bytes[place] = noise[place % noise.count]
                }
                let path = try folder.write(Data(bytes), as: "rank0.json")
                let found = try TraceReadingTests.problems {
                    try TracedRun.read([path], layout: plan.layout, model: plan.model)
                }
                if !found.isEmpty { refused += 1 }
                #expect(found.allSatisfy { !$0.isEmpty })
            }
        }
        #expect(refused > text.count / 3)
    }
}
