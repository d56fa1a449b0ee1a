import Reading

/// Tells runs of torchtitan by what only it has.
enum TorchtitanDetection {
    /// Whether a text looks like torchtitan's: sections of its TOML files, or its flags.
    static func looks(_ text: String) -> Bool {
        var sections: Set<String> = []
        var (hasModule, hasConfig) = (false, false)
        for line in text.split(whereSeparator: \.isNewline) {
            let plain = line.drop(while: \.isWhitespace)
            if plain.hasPrefix("["), let end = plain.firstIndex(of: "]") {
                sections.insert(plain[plain.index(after: plain.startIndex)..<end].filter { !$0.isWhitespace })
            } else if let table = TOMLSettings.table(plain) {
                sections.insert(table)
            }
            if plain.hasPrefix("#") { continue }
            for prefix in ["--parallelism.", "--activation_checkpoint.", "--activation-checkpoint."] + file
            where plain.contains(prefix) { return true }
            hasModule = hasModule || plain.contains("--module ") || plain.contains("--module=")
            hasConfig = hasConfig || plain.contains("--config ") || plain.contains("--config=")
        }
        return hasModule && hasConfig
            || sections.contains("training")
                && !sections.isDisjoint(with: [
                    "parallelism", "activation_checkpoint", "experimental", "lr_scheduler", "job",
                ])
    }

    private static let file = ["--job.config_file", "--job.config-file"]

    /// Whether a word of a command is torchtitan's program.
    static func isProgram(_ word: String) -> Bool {
        word.hasPrefix("torchtitan.") && word.hasSuffix(".train") || word == "torchtitan/train.py"
            || word.hasSuffix("/torchtitan/train.py")
    }

    /// Whether a script starts torchtitan's program.
    static func starts(_ text: String) -> Bool {
        text.split(whereSeparator: \.isNewline).contains { line in
            !line.drop(while: \.isWhitespace).hasPrefix("#")
                && (line.contains("torchtitan.train") || line.contains("torchtitan/train.py"))
        }
    }
}
