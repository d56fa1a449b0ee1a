/// What a kernel or an operator computes, by its name.
package enum KernelKind: String, CaseIterable, Hashable, Sendable {
    case matrixProducts, attention, norms, activations, softmax, embedding, loss, optimizer, copies, elementwise

    package var words: String {
        switch self {
        case .matrixProducts: "matrix products"
        case .elementwise: "elementwise and others"
        default: rawValue
        }
    }

    /// Whether the name is of a collective or of a message: NCCL's and RCCL's kernels, and the records of other backends.
    static func isCommunication(_ name: String) -> Bool {
        let name = name.lowercased()
        return name.hasPrefix("nccl") || name.hasPrefix("gloo:") || name.hasPrefix("mpi:") || name.hasPrefix("ucc:")
            || name.contains("nccldevkernel") || name.contains("ncclkernel") || name.contains("deepep::")
            || name.contains("deep_ep::")
    }

    /// The kind of a device kernel.
    init(kernel name: String) {
        let name = name.lowercased()
        func has(_ words: [String]) -> Bool { words.contains { name.contains($0) } }
        // The order matters: names of fused kernels hold several of these words.
        self =
            if has(["multi_tensor_apply", "multitensorapply", "adam", "fused_sgd", "lamb", "muon"]) {
                .optimizer
            } else if has(["flash_fwd", "flash_bwd", "flash::", "fmha", "sdpa", "attention", "attn_fwd", "attn_bwd"]) {
                .attention
            } else if has(["cross_entropy", "crossentropy", "nll_loss", "nllloss", "nll_"]) {
                .loss
            } else if has(["layer_norm", "layernorm", "rmsnorm", "rms_norm", "ln_fwd", "ln_bwd", "gammabeta"]) {
                .norms
            } else if has(["softmax"]) {
                .softmax
            } else if has(["embedding", "indexselect", "index_select"]) {
                .embedding
            } else if has([
                "gemm", "nvjet", "cutlass", "ampere_", "hopper_", "sm80_", "sm90_", "sm100_", "cublas", "cijk_", "gemv",
            ]) {
                .matrixProducts
            } else if has(["gelu", "silu", "swiglu", "geglu", "relu", "sigmoid"]) {
                .activations
            } else if has(["memcpy", "memset", "catarray", "copy_kernel", "direct_copy", "transpose"]) {
                .copies
            } else {
                .elementwise
            }
    }

    /// The kind of an operator that runs on the host's processor; nil for a wrapper, whose own time is no compute.
    init?(operation name: String) {
        // What torch.compile makes of several operators has a name of its own.
        if name.contains("cpp_fused") {
            self = .elementwise
            return
        }
        guard name.hasPrefix("aten::") else { return nil }
        let word = name.dropFirst(6)
        switch word {
        case "mm", "addmm", "bmm", "baddbmm", "matmul", "linear", "mkldnn_linear", "_scaled_mm", "_grouped_mm":
            self = .matrixProducts
        case "embedding", "embedding_dense_backward", "index_select": self = .embedding
        case "copy_", "cat", "clone", "contiguous", "fill_", "zero_", "zeros_like", "_to_copy": self = .copies
        default:
            func has(_ words: [String]) -> Bool { words.contains { word.contains($0) } }
            self =
                if has(["attention"]) {
                    .attention
                } else if has(["norm"]) {
                    .norms
                } else if has(["nll_loss", "cross_entropy", "log_softmax"]) {
                    .loss
                } else if has(["softmax"]) {
                    .softmax
                } else if has(["_fused_adam", "_fused_sgd", "_foreach_"]) {
                    .optimizer
                } else if has(["gelu", "silu", "relu", "sigmoid"]) {
                    .activations
                } else {
                    .elementwise
                }
        }
    }
}

extension KernelKind {
    /// Whether a kernel or an operator is the backward of attention, of which each block runs one for a micro-batch: the main kernel
    /// of FlashAttention 2, and PyTorch's operators. Other kernels are passed over: they may run several times for one backward.
    static func isAttentionBackward(_ name: String) -> Bool {
        name.contains("flash_bwd_dq_dk_dv")
            || name.hasPrefix("aten::_scaled_dot_product") && name.hasSuffix("_backward")
    }
}
