import Inference
import Models
import Plans
import TestSupport
import Testing

/// Formats of stored numbers and of arithmetic.
@Suite struct FormatTests {
    /// Bits of a number with its part of a scale, as published: OCP MX 1.0, 4.25; NVFP4, 4.5; QLoRA, 4.127; GPTQ in groups of
    /// 128, 4.16; llama.cpp's q4_0 and q8_0, 4.5 and 8.5.
    @Test(arguments: [
        ("fp32", 32.0), ("bf16", 16), ("fp8", 8), ("mxfp4", 4.25), ("nvfp4", 4.5), ("nf4", 4.127), ("int4", 4.16),
        ("q4_0", 4.5), ("q8_0", 8.5), ("mxfp8", 8.25),
    ])
    func bitsOfANumber(name: String, bits: Double) throws {
        #expect(abs(try #require(StoredFormat(named: name)).bytes * 8 - bits) < 0.005)
    }

    @Test func devicesMultiplyWhatTheyHaveARateFor() throws {
        func arithmetic(_ format: StoredFormat, _ cluster: String) throws -> Precision {
            format.arithmetic(on: try Cluster.read(cluster, library: Checkout.library).device)
        }
        #expect(try arithmetic(.fp8, "h100-80g-sxm") == .fp8)
        #expect(try arithmetic(.fp8, "a100-80g-sxm") == .bf16)
        #expect(try arithmetic(.int4, "h100-80g-sxm") == .bf16)
        #expect(try arithmetic(.nvfp4, "b200-sxm") == .nvfp4)
        #expect(try arithmetic(.nvfp4, "h100-80g-sxm") == .bf16)
        #expect(try arithmetic(.int8, "v100-32g-sxm") == .fp16)
    }
}
