internal import Foundation
package import Output
package import Reading

/// The files of a real run, each with the option or key that names it.
package struct RunFiles {
    /// The plan file.
    package var plan: String
    /// The plan file and every file that was read with it.
    package var sources: ReadFiles
    /// The plan's `train:` section after the command line's changes.
    package var settings: TrainSettings
    /// Whether the command line names the text (`--data`).
    package var namesData = false
    /// The file of mpirun's `--hostfile`.
    package var hostfile: String?
    /// The run's folder. nil: a new folder that is still to be chosen.
    package var folder: String?
    /// Files that options name and the run writes.
    package var options: [NamedPath] = []
    /// The folder of `--tensorboard`.
    package var tensorboard: String?

    package init(plan: String, sources: ReadFiles, settings: TrainSettings) {
        self.plan = plan
        self.sources = sources
        self.settings = settings
    }

    /// All files and folders of the run, so that clashes between them are found before the work.
    package var all: CommandFiles { CommandFiles(written: written, folders: folders, read: read) }

    /// Files that the run reads.
    package var read: [NamedPath] {
        let files = [
            NamedPath("the plan", plan), NamedPath("train.init", settings.initialWeights),
            NamedPath("--hostfile", hostfile),
        ]
        // A file may be named more than once.
        var seen: Set<String> = []
        let corpus = settings.readFiles.filter { seen.insert($0.path).inserted }.map { file in
            NamedPath(namesData && file.key == "train.data" ? "--data" : file.key, file.path)
        }
        return files.compactMap(\.self) + corpus + initialFiles + sources.named
    }

    /// The files of weights that the run starts from, where it starts from a folder.
    private var initialFiles: [NamedPath] {
        guard let folder = settings.initialWeights else { return [] }
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.sorted().filter { $0.hasSuffix(".safetensors") || $0.hasSuffix(".json") }.map {
            NamedPath("train.init (\($0))", folder + "/" + $0)
        }
    }

    private var written: [NamedPath] {
        guard let folder else { return options }
        let own = [RunFolder.manifest, RunFolder.plan, RunFolder.log, RunLock.name].filter {
            // A run may start from the plan file of the run it replaces.
            $0 != RunFolder.plan || FileIdentity(folder + "/" + $0) != FileIdentity(plan)
        }
        // `--log` may name the log that the run writes anyway.
        return options.filter { $0.name != "--log" || RunFolder.absolute($0.path) != folder + "/" + RunFolder.log }
            + own.map { NamedPath("the run's folder (\($0))", folder + "/" + $0) }
    }

    private var folders: [NamedPath] {
        [
            NamedPath("the run", folder), NamedPath("the checkpoints", directory),
            NamedPath("--tensorboard", tensorboard),
        ].compactMap(\.self)
    }

    /// The folder of the checkpoints. nil: no checkpoints, or a run's folder that is still to be chosen.
    package var directory: String? {
        guard let checkpoint = settings.checkpoint else { return nil }
        return checkpoint.path ?? folder.map { $0 + "/" + RunFolder.checkpoints }
    }
}
