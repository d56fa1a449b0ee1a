import Foundation
import Tensors

// Times every kernel on one core for the shapes of two small GPTs and of a llama. Arguments: S, M or llama (all by
// default), the number of repeats, and `attention` for that alone; the shortest time is printed, since other programs can
// only lengthen it. As JSON: `library S 2` prints the medians of the library's products alone, split over two tensor
// ranks; `peak` the core's rate of multiply-adds.
let arguments = CommandLine.arguments.dropFirst()
let repeats = arguments.compactMap { Int($0) }.first
let named = [Shapes.small, .medium].filter { arguments.contains($0.name) }
let chosen = named.isEmpty && !arguments.contains("llama") ? [.small, .medium] : named

MatrixProduct.useOneThread()
if arguments.first == "library", let shapes = named.first {
    let rate = LibraryRate(shapes: shapes, tensor: max(1, repeats ?? 1))
    print(rate.json(.init(repeats: shapes.hidden < 512 ? 15 : 5)))
    exit(0)
}
if arguments.first == "peak" {
    print(String(format: #"{"peak": %.0f}"#, KernelProbe.peakRate(effort: .init(repeats: 40, quantile: 0))))
    exit(0)
}
if !KernelProbe.usesFusedMultiplyAdd {
    print(
        "built without fused multiply-add; with `-Xcc -march=native` the build uses this processor's. Shares are of this build's peak."
    )
}
let peak = KernelProbe.peakRate(effort: .init(repeats: 40, quantile: 0))
let bandwidth = KernelProbe.memoryBandwidth(effort: .init(repeats: 10, quantile: 0))
print(String(format: "one core: multiply-add peak %.1f GFLOP/s fp32, memory %.1f GB/s", peak / 1e9, bandwidth / 1e9))

for shapes in chosen {
    let effort = KernelProbe.Effort(repeats: repeats ?? (shapes.hidden < 512 ? 25 : 7), quantile: 0)
    print("\nconfiguration \(shapes.name): \(shapes.rows) rows, hidden \(shapes.hidden), sequence \(shapes.sequence)")
    print(Measurement.header)
    if arguments.contains("attention") {
        let (forward, backward) = shapes.attention(effort)
        print(forward.row(peak: peak))
        print(backward.row(peak: peak))
        continue
    }
    let (forward, backward) = shapes.layer(effort)
    func total(_ name: String, _ parts: [Measurement]) -> Measurement {
        Measurement(
            name: name, time: parts.reduce(0) { $0 + $1.time }, operations: parts.reduce(0) { $0 + $1.operations })
    }
    for measurement in forward { print(measurement.row(peak: peak)) }
    print(total("= one layer forward", forward).row(peak: peak))
    for measurement in backward { print(measurement.row(peak: peak)) }
    print(total("= one layer backward", backward).row(peak: peak))
    let layer = total("= one layer", forward + backward)
    print(layer.row(peak: peak))
    let ends = shapes.ends(effort)
    for measurement in ends { print(measurement.row(peak: peak)) }
    let parameters = shapes.layers / 2 * shapes.layerParameters
    let optimizer = KernelProbe.adamW(count: parameters, effort: effort)
    print(
        Measurement(name: "AdamW of \(shapes.layers / 2) layers", time: optimizer, bytes: 28 * Double(parameters)).row(
            peak: peak))
    let stack = Array(repeating: layer, count: shapes.layers / 2)
    print(total("= half the layers", stack).row(peak: peak))
    print(total("= half the layers and the ends", stack + ends).row(peak: peak))
    let real = Stack.measure(shapes, repeats: effort.repeats)
    let half = Double(shapes.layers / 2)
    for (name, time, parts) in [("forward", real.forward, forward), ("backward", real.backward, backward)] {
        let operations = total(name, parts).operations * half
        print(
            Measurement(name: "half the layers in order, \(name)", time: time, operations: operations).row(peak: peak))
    }
    let operations = layer.operations * half
    print(
        Measurement(name: "half the layers in order", time: real.forward + real.backward, operations: operations).row(
            peak: peak))
}

if arguments.contains("llama") || named.isEmpty && !arguments.contains("attention") {
    let llama = Llama()
    print("\nllama: \(llama.rows) rows, hidden \(llama.hidden), feed-forward \(llama.ffn), sequence \(llama.sequence)")
    print(Measurement.header)
    let effort = KernelProbe.Effort(repeats: repeats ?? 25, quantile: 0)
    for measurement in llama.kernels(effort) + llama.bfloat16(effort) { print(measurement.row(peak: peak)) }
    if !BFloat16.isSupported { print("bf16: not on this processor") }
}
