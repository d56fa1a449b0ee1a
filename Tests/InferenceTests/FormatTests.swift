import Inference
import Models
import Plans
import Reading
import TestSupport
import Testing

/// Formats of stored numbers and of arithmetic.
@Suite struct FormatTests {
    /// Bits of a number with its part of a scale, as published: OCP MX 1.0, 4.25; NVFP4, 4.5; QLoRA, 4.127; GPTQ in groups of
    /// 128, 4.16; llama.cpp's q4_0, q6_K and q8_0, 4.5, 6.5625
    /// (`block_q6_K`: 210 bytes of 256 numbers) and 8.5.
    @Test(arguments: [
        ("fp32", 32.0), ("bf16", 16), ("fp8", 8), ("mxfp4", 4.25), ("nvfp4", 4.5), ("nf4", 4.127), ("int4", 4.16),
        ("q4_0", 4.5), ("q8_0", 8.5), ("mxfp8", 8.25), ("q6_K", 6.5625),
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

    /// What llama.cpp stores beside `q4_0` (src/llama-quant.cpp): the head in `q6_K`, the token table in `q4_0`, and a tied
    /// matrix as the head. Checkpoints of GPTQ leave both in 16 bits.
    @Test func endsAreThoseOfTheSoftware() {
        func ends(_ format: StoredFormat) -> [String] {
            let work = Workload(weights: format, prompt: 1, output: 1)
            return [work.ends.name, work.table.name]
        }
        #expect(ends(.q4) == ["q6_K", "q4_0"])
        #expect(ends(.q6) == ["q6_K", "q6_K"] && ends(.q8) == ["q8_0", "q8_0"])
        #expect(ends(.int4) == ["bf16", "bf16"] && ends(.nvfp4) == ["bf16", "bf16"])
        #expect(ends(.fp16) == ["fp16", "fp16"] && ends(.fp32) == ["fp32", "fp32"])
        let stated = Workload(weights: .q4, ends: .int8, prompt: 1, output: 1)
        #expect(stated.ends == .int8 && stated.table == .int8)
    }

    /// Bytes of Llama 3 8B and of tied Llama 3.2 1B in q4_0 on one device: blocks and table 4.5 bits, head 6.5625; a tied
    /// matrix is stored once, as the head.
    @Test(arguments: [("llama3-8b", false), ("llama3.2-1b", true)])
    func theHeadIsStoredWider(name: String, isTied: Bool) throws {
        let model = try Model.read(name, library: Checkout.library)
        let cluster = try Cluster.read("rtx-4090", library: Checkout.library)
        var question = ServingQuestion(
            model: model, cluster: cluster, work: Workload(weights: .q4, prompt: 64, output: 64), devices: 1)
        question.work.cache = .fp16
        let table = Double(model.vocab * model.hidden)
        let all = Double(model.parameters().total)
        #expect(model.tiedEmbeddings == isTied)
        let expected = ((all - table) * 4.5 + table * 6.5625) / 8
        // Norms and padding of the vocabulary are a few thousandths.
        #expect(abs(try question.estimate().memory.weights / expected - 1) < 0.004)
    }

    /// Four bits are those of the software that a device runs.
    @Test func fourBitsAreThoseOfTheDevice() throws {
        func four(_ cluster: String) throws -> StoredFormat {
            .fourBits(on: try Cluster.read(cluster, library: Checkout.library).device)
        }
        #expect(try four("phone-4g") == .q4 && four("h100-80g-sxm") == .int4)
    }

    /// 2.8 billion parameters fit one phone, by the short way to ask and by the file.
    @Test func thePhoneHoldsIt() throws {
        var files = ReadFiles()
        let short = try ServingFile.read(
            path: nil, overrides: [.init(parameters: "2.8B"), .init("cluster", "phone-4g"), .init("weights", "q4_0")],
            library: Checkout.library, files: &files)
        #expect(try short.question.estimate().devices == 1)
        let long = try ServingFile.read(path: "\(Checkout.root)/plans/inference/phone-2.8b.yaml", files: &files)
        let (ours, theirs) = (try short.question.estimate(), try long.question.estimate())
        #expect(theirs.devices == 1 && ours.memory.weights == theirs.memory.weights)
    }
}
