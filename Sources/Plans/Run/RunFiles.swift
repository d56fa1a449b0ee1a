package import Output
package import Reading

/// The files of a real run by the options and keys that name them.
package struct RunFiles {
    /// The plan file.
    package var plan: String
    /// The plan file and all that was read with it.
    package var sources: ReadFiles
    /// With what the command line changes.
    package var settings: TrainSettings
    /// Whether the command line names the text.
    package var namesData = false
    /// Of mpirun.
    package var hostfile: String?
    /// The run's folder; nil where it is still to be chosen, and new.
    package var folder: String?
    /// Files that options name.
    package var options: [NamedPath] = []
    /// `--tensorboard`.
    package var tensorboard: String?

    package init(plan: String, sources: ReadFiles, settings: TrainSettings) {
        self.plan = plan
        self.sources = sources
        self.settings = settings
    }

    /// To be told apart before the work.
    package var all: CommandFiles { CommandFiles(written: written, folders: folders, read: read) }

    /// Files that are read.
    package var read: [NamedPath] {
        let files = [
            NamedPath("the plan", plan), NamedPath(namesData ? "--data" : "train.data", settings.data),
            NamedPath("train.init", settings.initialWeights), NamedPath("--hostfile", hostfile),
        ]
        return files.compactMap(\.self) + sources.named
    }

    private var written: [NamedPath] {
        guard let folder else { return options }
        let own = [RunFolder.manifest, RunFolder.plan, RunFolder.log, RunLock.name].filter {
            // A run may begin with the plan of the run it replaces.
            $0 != RunFolder.plan || FileIdentity(folder + "/" + $0) != FileIdentity(plan)
        }
        // The log may be named once more.
        return options.filter { $0.name != "--log" || RunFolder.absolute($0.path) != folder + "/" + RunFolder.log }
            + own.map { NamedPath("the run's folder (\($0))", folder + "/" + $0) }
    }

    private var folders: [NamedPath] {
        [
            NamedPath("the run", folder), NamedPath("the checkpoints", directory),
            NamedPath("--tensorboard", tensorboard),
        ].compactMap(\.self)
    }

    /// Where checkpoints go; nil without any, or in a folder that is still to be chosen.
    package var directory: String? {
        guard let checkpoint = settings.checkpoint else { return nil }
        return checkpoint.path ?? folder.map { $0 + "/" + RunFolder.checkpoints }
    }
}
