import Inference
import Testing

@Suite struct StoredFormatTests {
    /// Frantar et al. 2022 (GPTQ), section 4: 4 bits in groups of 128 with a 16-bit scale and a 4-bit zero are 4.16 bits.
    @Test func groupsAddTheirScales() {
        let format = StoredFormat(name: "int4", bits: 4, group: 128, groupBits: 20)
        #expect(abs(format.bytes * 8 - 4.15625) < 1e-12)
        #expect(StoredFormat(name: "bf16", bits: 16).bytes == 2)
    }
}
