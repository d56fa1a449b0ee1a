package import Models
package import Plans

extension StoredFormat {
    package static let fp32 = StoredFormat(name: "fp32", bits: 32)
    package static let fp16 = StoredFormat(name: "fp16", bits: 16)
    package static let bf16 = StoredFormat(name: "bf16", bits: 16)
    /// 8 bits with a scale for a whole tensor or block of it, which is not counted.
    package static let fp8 = StoredFormat(name: "fp8", bits: 8)
    /// 8 bits with a scale for a row, which is not counted.
    package static let int8 = StoredFormat(name: "int8", bits: 8)
    /// 32 numbers share an 8-bit scale (OCP Microscaling Formats 1.0, section 5.1).
    package static let mxfp8 = StoredFormat(name: "mxfp8", bits: 8, group: 32, groupBits: 8)
    package static let mxfp4 = StoredFormat(name: "mxfp4", bits: 4, group: 32, groupBits: 8)
    /// 16 numbers share an 8-bit scale (NVIDIA 2025, Pretraining LLMs with NVFP4, arXiv 2509.25149, section 2).
    package static let nvfp4 = StoredFormat(name: "nvfp4", bits: 4, group: 16, groupBits: 8)
    /// 128 numbers share a 16-bit scale and a 4-bit zero (Frantar et al. 2022, GPTQ, section 4).
    package static let int4 = StoredFormat(name: "int4", bits: 4, group: 128, groupBits: 20)
    /// As weights of a plan that is trained with `quantized: nf4`.
    package static let nf4 = StoredFormat(name: "nf4", bits: 8 * Quantization().bytes)
    /// 32 numbers share a 16-bit scale (ggml, `block_q8_0` and `block_q4_0`).
    package static let q8 = StoredFormat(name: "q8_0", bits: 8, group: 32, groupBits: 16)
    package static let q4 = StoredFormat(name: "q4_0", bits: 4, group: 32, groupBits: 16)
    /// 256 numbers share a 16-bit scale, and 16 of them an 8-bit one (ggml, `block_q6_K`).
    package static let q6 = StoredFormat(name: "q6_K", bits: 6, group: 256, groupBits: 144)

    /// All formats that have a name, the widest first.
    package static let named: [StoredFormat] = [
        .fp32, .fp16, .bf16, .q8, .mxfp8, .fp8, .int8, .q6, .nvfp4, .q4, .mxfp4, .int4, .nf4,
    ]

    /// The format of this name; nil: there is none.
    package init?(named name: String) {
        guard let format = Self.named.first(where: { $0.name == name }) else { return nil }
        self = format
    }

    /// Four bits as a device's software stores them: those of llama.cpp on processors and phones, those of GPTQ on others.
    package static func fourBits(on device: Device) -> StoredFormat {
        isOfProcessors(device) ? .q4 : .int4
    }

    /// Eight bits likewise; on others FP8 where the device multiplies it.
    package static func eightBits(on device: Device) -> StoredFormat {
        isOfProcessors(device) ? .q8 : device.peakFLOPs[.fp8] != nil ? .fp8 : .int8
    }

    private static func isOfProcessors(_ device: Device) -> Bool {
        device.peakFLOPs.values.max() ?? 0 < Device.slowestAccelerator
    }

    /// Formats of the head and of the token table beside weights in this one, where nothing is stated.
    ///
    /// llama.cpp keeps the head of `q4_0` in `q6_K` and the table in `q4_0`; one matrix that is both is in the head's
    /// format (`llama_tensor_get_type_impl` in its src/llama-quant.cpp). Checkpoints of GPTQ, AWQ, FP8 and NVFP4 leave both in
    /// 16 bits.
    package var usualEnds: (head: StoredFormat, table: StoredFormat) {
        switch name.prefix(while: { $0 != " " }) {
        case "q4_0": (.q6, self)
        case "q6_K", "q8_0": (self, self)
        default: bits < 16 ? (.bf16, .bf16) : (self, self)
        }
    }

    /// The format in which a device multiplies numbers that are stored so.
    ///
    /// Floating formats are multiplied as they are where the device states a rate for them; 4-bit ones by its rate for 4
    /// bits. Integers, and formats that the device has no rate for, are made whole first and multiplied in bf16, or in fp16
    /// where there is no bf16, as GPTQ, AWQ, bitsandbytes and llama.cpp do.
    package func arithmetic(on device: Device) -> Precision {
        let own: Precision? =
            switch name.prefix(while: { $0 != " " }) {
            case "fp32": .fp32
            case "fp16": .fp16
            case "bf16": .bf16
            case "fp8": .fp8
            case "mxfp8": .mxfp8
            case "nvfp4", "mxfp4": .nvfp4
            default: nil
            }
        if let own, device.peakFLOPs[own] != nil { return own }
        if own == .mxfp8, device.peakFLOPs[.fp8] != nil { return .fp8 }
        return device.trainingPrecision
    }
}
