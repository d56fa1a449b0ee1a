/// Whether an import has used a setting of a file.
enum SettingFate {
    /// Its value was asked for.
    case read
    /// It acts only beside others, which the file lacks, or says what exported files say too.
    case idle
    /// Nobody asked for it.
    case unread
}

/// Settings that change nothing of what is trained: where a run logs, saves and is watched.
enum Bystander {
    private static let words: Set<String> = [
        "log", "logs", "logging", "logger", "loggers", "wandb", "tensorboard", "mlflow", "comet", "clearml",
        "neptune", "aim", "swanlab", "save", "saving", "load", "loading", "ckpt", "checkpoint", "checkpoints",
        "checkpointing", "eval", "evals", "evaluation", "validation", "validator", "valid", "val", "test",
        "lighteval", "profile", "profiler", "profiling", "profilers", "nsys", "xplane", "timer", "timers", "timing",
        "timeout", "straggler", "monitor", "monitoring", "heartbeat", "metrics", "report", "print", "dump", "verbose",
        "debug", "progress", "callback", "callbacks", "hydra", "resume", "restore", "hub", "push", "wall",
        "breakdown", "master", "rdzv", "hostfile", "host", "port", "launcher", "job", "description", "workspace",
        "exp", "experiment", "project", "entity", "user", "exit", "rerun", "sink", "tee", "watchdog", "comment",
        "nvrx", "ft", "inprocess", "snapshot", "notes", "s3", "gcs", "mock",
    ]
    /// Words that take the meaning of one above away.
    private static let others: Set<String> = [
        "activation", "activations", "balancing", "balance", "data", "dataset", "path", "master_weights", "weights",
    ]

    /// Whole names of keys.
    private static let names: Set<String> = [
        "run_name", "exp_name", "user_name", "name", "output_dir", "base_output_directory", "work_group",
        "machine_rank", "same_network", "main_training_function", "compute_environment", "run",
    ]

    /// - Parameter name: dotted keys or the destination of an argument.
    static func isOne(_ name: String) -> Bool {
        let parts = name.lowercased().split { !$0.isLetter && !$0.isNumber }.map(String.init)
        if let own = name.split(separator: ".").last, names.contains(String(own)) { return true }
        guard let first = parts.first(where: words.contains) else { return false }
        if parts.contains(where: others.contains) {
            // A path of checkpoints or logs is one all the same.
            return parts.contains("path") && !["test", "val", "valid", "user"].contains(first)
        }
        return true
    }
}

extension Setting.Value {
    /// Whether the value is none.
    var isNothing: Bool {
        switch self {
        case .nothing: false
        case .word(let word): ["", "null", "None", "none", "~"].contains(word)
        case .list(let words): words.isEmpty
        }
    }

    /// Whether the value is what a setting has that is not used.
    var isUnset: Bool {
        guard case .word(let word) = self else { return isNothing }
        return isNothing || ["false", "False", "0", "0.0", "-1"].contains(word)
    }
}
