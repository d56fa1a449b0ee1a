/// A launcher whose job is one file: a text for our own runtime, another for Megatron-LM.
protocol OneFileLauncher: Launcher {
    /// The file's name.
    static var file: String { get }
    /// Whether the file is a script that can be started.
    static var isScript: Bool { get }
    /// The name that the system takes of the job's.
    static func name(of job: LaunchedJob) -> String
    static func trainyard(_ job: LaunchedJob, _ run: TrainyardJob, _ name: String) -> String
    static func megatron(_ job: LaunchedJob, _ run: MegatronJob, _ name: String) -> String
}

extension OneFileLauncher {
    static func files(of job: LaunchedJob) -> [ExportedFile] {
        [ExportedFile(file, text(of: job), isExecutable: isScript)]
    }

    static func text(of job: LaunchedJob) -> String {
        let name = name(of: job)
        return switch job.program {
        case .trainyard(let run): trainyard(job, run, name)
        case .megatronLM(let run): megatron(job, run, name)
        }
    }
}

/// A batch system, which reads its directives from a script.
protocol BatchLauncher: OneFileLauncher {}

extension BatchLauncher {
    static var isScript: Bool { true }
    static func name(of job: LaunchedJob) -> String { JobName.plain(job.name) }
    /// Ranks are slots of their own under MPI; torchrun starts as many on every node.
    static func takesSmallerLastNode(_ software: JobSoftware) -> Bool { software == .trainyard }
}

/// A system that reads an object in YAML, all of whose nodes are alike.
protocol ObjectLauncher: OneFileLauncher {}

extension ObjectLauncher {
    static var isScript: Bool { false }
    static func takesSmallerLastNode(_ software: JobSoftware) -> Bool { false }
}
