internal import ArgumentParser
internal import Costs
internal import Foundation
internal import Numbers
internal import Options
internal import Output
internal import Plans
internal import Reading
internal import Reports

/// `trainyard calibrate`: measures this machine and writes a cluster file, so that real runs can be predicted.
struct CalibrateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "calibrate",
        abstract: "Measure this machine at a plan's shapes and write cluster/local.yaml.",
        discussion: """
            Times matrix products, attention, memory-bound kernels and MPI messages in as many processes as a run would \
            have, all at once. Plans without a cluster are then priced with the result. What else ran meanwhile is said and \
            written down; on a busy machine the measurement is repeated and the quietest kept.

              trainyard calibrate --quick                        seconds
              trainyard calibrate --plan plans/tiny-gpt.yaml
            """)

    @Option(help: "The plan whose shapes are measured.")
    var plan = "plans/tiny-gpt.yaml"

    @Option(help: "The cluster file to write.")
    var out = "cluster/local.yaml"

    @Option(
        name: [.customShort("n"), .customLong("processes")],
        help: "Processes to measure with; as many as the plan runs with, at most one a core.")
    var processes: Count?

    @Flag(help: "A few repeats of each: under fifteen seconds, twice that on a busy machine.")
    var quick = false

    func validate() throws {
        try check("--processes", processes, in: 1...1024)
    }

    func run() throws {
        // Outside a checkout the default means the shipped plan.
        let path = Library.standard().existing(plan) ?? plan
        let file = try OutputFile(out)
        try CommandFiles(written: [NamedPath("--out", out)], read: [NamedPath("--plan", path)]).check()
        try setBrokenFileAside(file)
        var sources = ReadFiles()
        let plan = try PlanFile.read(path, files: &sources)
        let cores = ProcessInfo.processInfo.activeProcessorCount
        let count = processes?.value ?? min(plan.layout?.devices ?? 1, cores)
        let began = Date()
        let (measured, load, attempts) = try quietest(path, processes: count)
        let cluster = try Cluster(measured: measured, model: plan.model)
        let comment = """
            Measured by `trainyard calibrate\(quick ? " --quick" : "")` at the shapes of \(plan.name): \(count) \
            process\(count == 1 ? "" : "es") at once.
            One "device" is one process on one core; every figure is what the cost model needs to give back the
            measured seconds.\(load.map { "\nWhile it was measured \($0.words)\($0.isQuiet ? "" : ": the machine was busy")." } ?? "")
            """
        try OutputFile.write(cluster.yaml(comment: comment), to: out)
        let best = cluster.device.matmulEfficiency.points.map(\.share).max() ?? 0
        let network = cluster.networks.first
        try print(
            """
            \(out): \(count) process\(count == 1 ? "" : "es"), measured in \(Figures.fixed(-began.timeIntervalSinceNow, 1)) s
              peak, one process         \(Figures.fixed(measured.peakFLOPs / 1e9, 1)) GFLOP/s (multiply-adds between registers)
              matrix products           \(Figures.fixed(100 * best, 0)) % of it at best
              attention                 \(Figures.fixed(100 * (cluster.device.attentionEfficiency.points.last?.share ?? 0), 0)) % of it, forward
              memory-bound kernels      \(Figures.fixed(cluster.device.memoryBytesPerSecond / 1e9, 1)) GB/s
              messages                  \(Figures.fixed((network?.bytesPerSecond ?? 0) / 1e9, 1)) GB/s, \(Figures.fixed((network?.latencySeconds ?? 0) * 1e6, 1)) µs
            """)
        guard let load else { return }
        try print("  meanwhile                 \(load.words)")
        if !load.isQuiet {
            Console.note(
                "the machine was busy in each of \(attempts) measurements, and the quietest is kept: what it predicts may be "
                    + "too slow, by another factor for each kernel; calibrate again when nothing else runs")
        }
    }

    /// Measures until the machine is quiet, at most three times (twice with `--quick`).
    /// - Returns: the quietest measurement, the machine's other load during it, and the number of measurements.
    private func quietest(_ plan: String, processes: Int) throws -> (MachineMeasurement, MachineLoad?, attempts: Int) {
        let command = try Launcher.mpirun(
            processes: processes, hostfile: nil, program: Launcher.trainProgram(),
            arguments: ["probe", plan] + (quick ? ["--quick"] : []))
        let most = quick ? 2 : 3
        var best: (measured: MachineMeasurement, load: MachineLoad?)?
        for attempt in 1...most {
            let start = ProcessorTimes.now()
            let ended = try Launcher.run(command, capture: true, launcherWords: true)
            guard ended.code == 0 else {
                if let reason = ended.reason { Console.error("mpirun: " + reason.text) }
                throw ExitCode(ended.reason?.isInput == true ? Failure.badInput : ended.code)
            }
            let measured = try JSONDecoder().decode(MachineMeasurement.self, from: ended.output)
            let load = MachineLoad(from: start, to: .now(), spread: measured.spread)
            guard let load, !load.isQuiet else { return (measured, load, attempt) }
            if load.disturbance < best?.load?.disturbance ?? .infinity { best = (measured, load) }
            if attempt < most { Console.note("the machine is busy: \(load.words); measuring again") }
        }
        guard let best else { throw ExitCode(1) }
        return (best.measured, best.load, most)
    }

    /// Renames an existing measurement that cannot be read: it would stop the plan that is to be measured. Refuses to
    /// replace a file of another kind.
    private func setBrokenFileAside(_ file: OutputFile) throws {
        guard let old = file.existingFile, (try? Cluster.read(old)) == nil else { return }
        let beginning = (try? Data(contentsOf: URL(filePath: old), options: .mappedIfSafe).prefix(256)) ?? Data()
        guard beginning.isEmpty || String(decoding: beginning, as: UTF8.self).contains("trainyard calibrate") else {
            throw Failure.input("--out: \(out) is no cluster file and is not replaced; name another file")
        }
        guard rename(old, out + ".broken") == 0 else { return }
        Console.note("\(out) cannot be read; it is kept as \(out).broken and measured anew")
    }
}
