import Tensors

MatrixProduct.useOneThread()
let effort = KernelProbe.Effort(repeats: 15, quantile: 0)
print(
    "peak", KernelProbe.peakRate(effort: effort) / 1e9, "bandwidth", KernelProbe.memoryBandwidth(effort: effort) / 1e9)
for (i, o) in [(384, 1152), (384, 384), (384, 1536), (1536, 384)] {
    let t = KernelProbe.linear(rows: 1024, inputs: i, outputs: o, effort: effort)
    let f = 2.0 * 1024 * Double(i * o) / 1e9
    print(
        i, o, t.forward * 1e3, t.inputGradient * 1e3, t.weightGradient * 1e3, f / t.forward, f / t.inputGradient,
        f / t.weightGradient)
}
print(KernelProbe.head(rows: 1024, inputs: 384, outputs: 256, effort: effort))
print(KernelProbe.attention(batch: 4, sequence: 256, heads: 6, headSize: 64, effort: effort))
print(KernelProbe.layerNorm(rows: 1024, width: 384, effort: effort))
print(KernelProbe.gelu(rows: 1024, width: 1536, effort: effort))
print(KernelProbe.crossEntropy(rows: 1024, vocab: 256, effort: effort))
print(KernelProbe.embedding(batch: 4, sequence: 256, width: 384, vocab: 256, effort: effort))
print(KernelProbe.adamW(count: 5_500_000, effort: effort))
