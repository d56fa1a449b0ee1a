import Foundation
import Tensors

/// One kernel's shortest time and what it did in it.
struct Measurement {
    var name: String
    /// Seconds.
    var time: Double
    /// Floating-point operations, if the kernel is bound by them.
    var operations = 0.0
    /// Bytes read and written, if it is bound by those.
    var bytes = 0.0

    static let header =
        "kernel".padding(toLength: 34, withPad: " ", startingAt: 0) + "        ms   GFLOP/s  of peak      GB/s"

    /// A row of the table; `peak` is the core's multiply-add rate in FLOP/s.
    func row(peak: Double) -> String {
        func cell(_ value: Double, _ digits: Int, _ width: Int) -> String {
            let text = value > 0 ? String(format: "%.\(digits)f", value) : "–"
            return String(repeating: " ", count: max(0, width - text.count)) + text
        }
        let share = operations > 0 ? cell(operations / time / peak * 100, 1, 8) + "%" : cell(0, 0, 9)
        return name.padding(toLength: 34, withPad: " ", startingAt: 0) + cell(time * 1e3, 3, 10)
            + cell(operations / time / 1e9, 1, 10) + share + cell(bytes / time / 1e9, 1, 10)
    }
}
