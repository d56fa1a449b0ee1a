/// Weights and text that the golden file of PyTorch's losses was made from; `bench/pytorch/golden.py` states the
/// formulas and is the other side of them. Every value is exact in a `Float`.

/// Element `index` (row-major) of a tensor with a Hugging Face GPT-2 name, such as `h.0.attn.c_attn.weight`.
package func formulaWeight(name: String, index: Int) -> Float {
    formulaWeight(checksum: crc32(name.utf8), isNorm: isNormWeight(name), index: index)
}

/// A whole tensor: the name's checksum is taken once.
package func formulaWeights(name: String, count: Int) -> [Float] {
    let checksum = crc32(name.utf8)
    let isNorm = isNormWeight(name)
    return (0..<count).map { formulaWeight(checksum: checksum, isNorm: isNorm, index: $0) }
}

/// Bytes in 32..<96, each of which leaves four choices for the next.
package func formulaText(count: Int) -> [UInt8] {
    var text: [UInt8] = [32]
    var random: UInt32 = 1
    while text.count < count {
        random = random &* 1_664_525 &+ 1_013_904_223
        text.append(UInt8(32 + (5 * UInt32(text[text.count - 1]) + (random >> 30)) % 64))
    }
    return Array(text.prefix(count))
}

package func isNormWeight(_ name: String) -> Bool {
    let parts = name.split(separator: ".")
    return parts.count >= 2 && parts[parts.count - 1] == "weight"
        && (parts[parts.count - 2].hasPrefix("ln_") || parts[parts.count - 2].hasSuffix("norm"))
}

private func formulaWeight(checksum: UInt32, isNorm: Bool, index: Int) -> Float {
    var x = UInt32(truncatingIfNeeded: index) &* 0x9E37_79B1 &+ checksum
    x ^= x >> 16
    x = x &* 0x85EB_CA6B
    x ^= x >> 13
    x = x &* 0xC2B2_AE35
    x ^= x >> 16
    let m = Int32(x >> 8)
    if isNorm { return 1 + Float((m >> 12) - 2048) / 65_536 }
    return Float(m - 8_388_608) / 268_435_456
}

/// The CRC-32 of zlib, PNG and Ethernet (polynomial 0xEDB88320, reflected).
private func crc32(_ bytes: some Sequence<UInt8>) -> UInt32 {
    var checksum = ~UInt32(0)
    for byte in bytes {
        checksum ^= UInt32(byte)
        for _ in 0..<8 { checksum = (checksum >> 1) ^ (checksum & 1 == 1 ? 0xEDB8_8320 : 0) }
    }
    return ~checksum
}
