import Foundation

/// The text of a trace as PyTorch's profiler writes it, with its field names. Times are in microseconds.
struct ProfilerText {
    private var events: [String] = []
    private let head: String
    private var correlation = 0

    /// - Parameter rank: nil: the trace has no `distributedInfo`.
    init(rank: Int?, world: Int = 1, groups: String = "") {
        head =
            rank.map {
                #""distributedInfo": {"backend": "nccl", "rank": \#($0), "world_size": \#(world), "pg_config": [\#(groups)]},"#
            } ?? ""
    }

    var text: String {
        "{\n  \"schemaVersion\": 1,\n  \(head)\n  \"displayTimeUnit\": \"ms\",\n  \"traceEvents\": [\n"
            + events.joined(separator: ",\n") + "\n  ],\n  \"traceName\": \"rank.json\"\n}\n"
    }

    /// An event of any kind.
    mutating func event(
        _ category: String, _ name: String, at start: Double, for duration: Double, thread: Int = 7,
        _ arguments: String = ""
    ) {
        events.append(
            #"  {"ph": "X", "cat": "\#(category)", "name": "\#(name)", "pid": 0, "tid": \#(thread), "ts": \#(start), "dur": \#(duration), "args": {\#(arguments)}}"#
        )
    }

    /// A step as the device saw it.
    mutating func step(_ number: Int, at start: Double, for duration: Double) {
        event("gpu_user_annotation", "ProfilerStep#\(number)", at: start, for: duration, #""External id": 1"#)
    }

    /// A kernel of a stream.
    mutating func kernel(
        _ name: String, at start: Double, for duration: Double, stream: Int = 7, _ arguments: String = ""
    ) {
        correlation += 1
        let more = arguments.isEmpty ? "" : ", " + arguments
        event(
            "kernel", name, at: start, for: duration, thread: stream,
            #""External id": 9, "device": 0, "context": 1, "stream": \#(stream), "correlation": \#(correlation)\#(more)"#
        )
    }

    /// A kernel of NCCL with the record of its collective.
    mutating func collective(
        _ name: String, _ kernel: String, ranks: [Int], size: Int? = nil, at start: Double, for duration: Double
    ) {
        let list =
            ranks.count > 30
            ? ranks.prefix(29).map(String.init).joined(separator: ", ") + ", ..., \(ranks[ranks.count - 1])"
            : ranks.map(String.init).joined(separator: ", ")
        self.kernel(
            kernel, at: start, for: duration, stream: 20,
            #""Collective name": "\#(name)", "In msg nelems": 4096, "Out msg nelems": 4096, "Group size": "#
                + #"\#(size ?? ranks.count), "dtype": "BFloat16", "Process Group Name": "x\#(ranks)", "Process Group Ranks": "[\#(list)]""#
        )
    }
}

/// Names of kernels as devices and libraries give them.
enum KernelName {
    static let matmul = "nvjet_tst_256x128_64x4_2x1_v_bz_coopA_TNT"
    static let reduceScatter = "ncclDevKernel_ReduceScatter_Sum_bf16_RING_LL(ncclDevKernelArgsStorage<4096ul>)"
    static let allReduce = "ncclDevKernel_AllReduce_Sum_bf16_RING_LL(ncclDevKernelArgsStorage<4096ul>)"
    static let allGather = "ncclDevKernel_AllGather_RING_LL(ncclDevKernelArgsStorage<4096ul>)"
    static let sendReceive = "ncclDevKernel_SendRecv(ncclDevKernelArgsStorage<4096ul>)"
    static let adam =
        "void at::native::(anonymous namespace)::multi_tensor_apply_kernel<at::native::(anonymous namespace)::TensorListMetadata<3>>"
}
