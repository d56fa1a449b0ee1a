import Foundation
import Interchange
import Plans
import Reading
import TestSupport

/// Plans that launchers are tested with.
enum LauncherPlans {
    /// 32 GPUs in 4 nodes, for Megatron-LM.
    static let megatron = """
        name: gpt-7b
        model: {family: llama, layers: 32, hidden: 4096, ffn: 11008, heads: 32, vocab: 32000, sequence: 4096}
        tokens: 100B
        cluster: h100-80g-sxm
        devices: 32
        batch: 256
        precision: bf16
        layout: {tensor: 8, sequenceParallel: true, pipeline: 2, sharding: optimizer}
        """

    /// 4 ranks in 2 nodes, for our own runtime.
    static let trainyard = """
        name: tiny-gpt-4
        model: {family: gpt, layers: 8, hidden: 64, heads: 4, vocab: 256, sequence: 64}
        cluster: {extends: laptop, devicesPerNode: 2}
        devices: 4
        batch: 8
        precision: fp32
        layout: {pipeline: 4}
        train: {data: corpus.txt, steps: 60}
        """

    static func plan(_ text: String) throws -> Plan {
        try Plan.read(text: text, path: "plan.yaml", library: Checkout.library)
    }

    /// The plan under another name.
    static func named(_ name: String, _ text: String) throws -> Plan {
        var plan = try plan(text)
        plan.name = name
        return plan
    }

    static func context(
        _ plan: Plan, days: Double? = 20, highDays: Double? = 24.2, saveEvery: Int? = 137, stepSeconds: Double = 2
    ) -> ExportContext {
        ExportContext(
            source: "plan.yaml", version: "0", stepSeconds: stepSeconds, peakGiB: 1.5, capacityGiB: 80,
            steps: plan.train?.steps ?? days.map { Int($0 * 86_400 / stepSeconds) }, saveEvery: saveEvery, days: days,
            highDays: highDays, planText: plan.yaml(library: Checkout.library))
    }

    static func export(_ target: ExportTarget, _ plan: Plan) -> Export {
        target.export(
            plan, context: context(plan, days: plan.train == nil ? 20 : nil, highDays: plan.train == nil ? 24.2 : nil))
    }

    static let targets: [ExportTarget] = [.slurm, .pbs, .lsf, .mpijob, .jobset, .trainjob, .skypilot, .hostfile]
    static let ofTrainyard = targets.filter { $0 != .jobset }

    /// The arguments that Megatron-LM's own export has for the plan: what a job must run.
    static func arguments(_ plan: Plan) throws -> [[String]] {
        let export = ExportTarget.megatronLM.export(plan, context: context(plan))
        let text = export.files.first { $0.name == "megatron-lm.args" }?.text ?? ""
        return text.split(separator: "\n").filter { $0.hasPrefix("--") }.map { line in
            line.split(separator: " ").map { String($0).replacing("'", with: "") }
        }
    }
}

/// Runs bash in a folder whose `bin` holds stand-ins for the commands of a system.
struct LauncherShell {
    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        try FileManager.default.createDirectory(atPath: folder["bin"], withIntermediateDirectories: true)
        try FileManager.default.createDirectory(atPath: folder["logs"], withIntermediateDirectories: true)
        // A login shell sets its own path first.
        try folder.write("PATH=\(folder["bin"]):$PATH\n", as: ".bash_profile")
    }

    /// A command that is a line of bash.
    func add(_ name: String, _ body: String) throws {
        // Another process writes the command: a process that another test starts meanwhile would hold a file that is open
        // here, and a file that is open for writing cannot be run.
        let text = try folder.write("#!/bin/bash\n\(body)\n", as: "\(name).body")
        let made = try run(["-c", "install -m 755 '\(text)' '\(folder["bin/\(name)"])'"])
        guard made.status == 0 else { throw CocoaError(.fileWriteUnknown) }
    }

    /// A command that writes its arguments, a line each, to the file `NAME.args`, and its variables beside it.
    func record(_ name: String) throws {
        try add(
            name,
            "printf '%s\\n' \"$@\" > '\(folder["\(name).args"])'; env > '\(folder["\(name).env"])'; exit 0")
    }

    @discardableResult
    func run(_ arguments: [String], environment: [String: String] = [:]) throws -> (status: Int32, output: String) {
        let process = Process()
        #if os(Linux)
            // The threads of tests block signals, and a process inherits that.
            process.executableURL = URL(filePath: "/usr/bin/env")
            process.arguments = ["--default-signal=TERM", "/bin/bash"] + arguments
        #else
            process.executableURL = URL(filePath: "/bin/bash")
            process.arguments = arguments
        #endif
        process.currentDirectoryURL = folder.url
        var variables = ["PATH": folder["bin"] + ":/usr/bin:/bin:/usr/sbin:/sbin", "HOME": folder.path]
        variables.merge(environment) { _, new in new }
        process.environment = variables
        let pipe = Pipe()
        (process.standardOutput, process.standardError) = (pipe, pipe)
        try process.run()
        let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: output, as: UTF8.self))
    }

    /// Lines that `record` wrote; an argument with a line break is several.
    func recorded(_ name: String) throws -> [String] {
        let text = try folder.read("\(name).args")
        return text.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
    }

    func variables(_ name: String) throws -> Set<String> {
        Set(try folder.read("\(name).env").split(separator: "\n").map(String.init))
    }
}
