import Foundation
import TestSupport
import Testing

/// `cluster/calibrate_gpu.py`: what it prints is a cluster file that plans are priced with.
@Suite struct GPUCalibrationTests {
    static let python = "python3"

    /// Whether Python 3 is there and can import `module`.
    static func imports(_ module: String) -> Bool {
        (try? run(["-c", "import \(module)"]))?.exitCode == 0
    }

    static func run(_ arguments: [String]) throws -> BuiltProgram.Outcome {
        try BuiltProgram.run(URL(filePath: "/usr/bin/env"), [python] + arguments, in: BuiltProgram.root)
    }

    func script(_ arguments: [String]) throws -> BuiltProgram.Outcome {
        try Self.run(["cluster/calibrate_gpu.py"] + arguments)
    }

    /// Seconds of a step of `model` on the cluster file `yaml`, by `trainyard plan`.
    func planned(_ yaml: String, model: String, in folder: TemporaryFolder) throws -> Double {
        let cluster = try folder.write(yaml, as: "my-gpu.yaml")
        let plan = try folder.write(model + "\ncluster: \(cluster)\n", as: "plan.yaml")
        let document = try BuiltProgram("trainyard").run(["plan", plan, "--json"]).document()
        return try #require((document["iteration"] as? [String: Any])?["seconds"] as? Double)
    }

    @Test(.enabled(if: imports("torch, numpy"), "python3 cannot import torch and numpy"))
    func aFileMeasuredWithoutAGPUIsPlannedWith() throws {
        let folder = try TemporaryFolder()
        let outcome = try script(["--device", "cpu", "--quick"])
        #expect(outcome.exitCode == 0, "\(outcome.everything)")
        #expect(outcome.errors.contains("median error"))
        for key in ["peak: {fp32:", "products:", "attentionEfficiency:", "bandwidthEfficiency:", "launch:"] {
            #expect(outcome.output.contains("\n  \(key)"), "\(key)")
        }
        let model = """
            model: {family: gpt, layers: 2, hidden: 128, heads: 4, vocab: 256, sequence: 128}
            batch: 4
            devices: 1
            precision: fp32
            """
        let seconds = try planned(outcome.output, model: model, in: folder)
        #expect(seconds.isFinite && seconds > 0)
    }

    /// Logarithms of the table's axes: m, then n and k.
    static let rows = Array(6...9), columns = Array(6...8)

    /// Thousandths of the peak at a point of the grid: linear in the logarithms but for one term, so that a table on
    /// that grid can hold it exactly.
    static func thousandths(_ m: Double, _ n: Double, _ k: Double) -> Double {
        100 + 60 * (m - 6) + 40 * (n - 6) + 80 * (k - 6) + 10 * (m - 6) * (k - 6)
    }

    /// Products on an A100 whose shares are those, at and halfway between the points; every eleventh is an outlier of
    /// three times the time. All take `slowed` times that.
    static func table(slowed: Double = 1) -> String {
        var lines = ["kernel,m,n,k,latency"]
        for m in stride(from: 6.0, through: 9, by: 0.5) {
            for n in stride(from: 6.0, through: 8, by: 0.5) {
                for k in stride(from: 6.0, through: 8, by: 0.5) {
                    // Whole sizes, and shares at what they really are.
                    let sizes = [m, n, k].map { (exp2($0) / 2).rounded() * 2 }
                    let logs = sizes.map(log2)
                    let share = thousandths(logs[0], logs[1], logs[2]) / 1000
                    let seconds = 2 * sizes.reduce(1, *) / (312e12 * share)
                    let outlier = lines.count % 11 == 0 ? 3.0 : 1
                    let shape = sizes.map { String(Int($0)) }.joined(separator: ",")
                    lines.append("x,\(shape),\(seconds * slowed * outlier * 1e3)")
                }
            }
        }
        // Shapes that no training step has do not count.
        return (lines + ["x,0,64,64,0.0001", "x,65,64,64,9"]).joined(separator: "\n") + "\n"
    }

    @Test(.enabled(if: imports("numpy"), "python3 cannot import numpy"))
    func aMeasuredTableIsFoundAgainInSpiteOfOutliers() throws {
        let folder = try TemporaryFolder()
        let file = try folder.write(Self.table(), as: "products.csv")
        let outcome = try script(["--from-table", file, "--gpu", "a100-80g-sxm"])
        #expect(outcome.exitCode == 0, "\(outcome.everything)")
        let axes = "    m: [64, 128, 256, 512]\n    n: [64, 128, 256]\n    k: [64, 128, 256]\n"
        #expect(outcome.output.contains(axes))
        let error = try #require(outcome.errors.firstMatch(of: #/median error ([0-9.]+)%/#)?.1)
        #expect(try #require(Double(error)) < 1)

        let block = try #require(outcome.output.split(separator: "thousandths: |\n").last)
        let cells = block.split { $0 == " " || $0 == "\n" }.map { Double($0) ?? .nan }
        let expected = Self.rows.flatMap { m in
            Self.columns.flatMap { n in
                Self.columns.map { k in Self.thousandths(Double(m), Double(n), Double(k)) }
            }
        }
        #expect(cells.count == expected.count)
        for (cell, right) in zip(cells, expected) {
            #expect(abs(cell - right) <= 0.02 * right, "\(cell) for \(right)")
        }

        let model = "model: llama2-7b\nbatch: 64\ndevices: 8\nlayout: {tensor: 8}"
        let fast = try planned(outcome.output, model: model, in: folder)
        try folder.write(Self.table(slowed: 2), as: "products.csv")
        let slowed = try script(["--from-table", file, "--gpu", "a100-80g-sxm"])
        let slow = try planned(slowed.output, model: model, in: folder)
        #expect(fast > 0 && slow > 1.4 * fast && slow < 2 * fast, "\(fast) s and \(slow) s")
    }

    @Test(
        .enabled(if: imports("numpy"), "python3 cannot import numpy"),
        arguments: [
            ("m,n,k,latency\n64,64,64,1\n64,64,x,1\n", "products.csv:3: m, n and k must be numbers from 0"),
            ("m,n,k,latency\n64,64,64,0\n", "products.csv:2: m, n and k must be numbers from 0, latency one above 0"),
            ("m,n,k,ms\n64,64,64,1\n", "products.csv: column latency is missing"),
            ("m,n,k,latency\n64,64,64,1\n", "products.csv: too few usable shapes"), ("", "column m is missing"),
        ])
    func aBadTableEndsWithOneClearLine(_ table: String, _ said: String) throws {
        let folder = try TemporaryFolder()
        let file = try folder.write(table, as: "products.csv")
        let outcome = try script(["--from-table", file, "--gpu", "a100-80g-sxm"])
        #expect(outcome.exitCode == 2, "\(outcome.everything)")
        #expect(outcome.errors.contains(said), "\(outcome.everything)")
        #expect(!outcome.errors.contains("Traceback"))
        #expect(outcome.output.isEmpty)
    }

    @Test(
        .enabled(if: imports("sys"), "there is no python3"),
        arguments: [
            (["--from-table", "x.csv"], "error: --from-table needs --gpu, one of a100-40g-sxm"),
            (["--from-table", "x.csv", "--gpu", "h100-80g-smx"], "error: unknown device 'h100-80g-smx'; give --peak"),
            (["--from-table", "x.csv", "--gpu", "H100 PCIe"], "error: there is no cluster file of 'H100 PCIe'"),
            (["--bandwidth", "-1"], "error: --bandwidth must be above 0"),
        ])
    func anUnknownDeviceEndsWithOneClearLine(_ arguments: [String], _ said: String) throws {
        let outcome = try script(arguments)
        #expect(outcome.exitCode == 2, "\(outcome.everything)")
        #expect(outcome.errors.hasPrefix(said), "\(outcome.everything)")
        #expect(outcome.errors.split(separator: "\n").count == 1)
    }
}
