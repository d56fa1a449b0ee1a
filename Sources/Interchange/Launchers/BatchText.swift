/// Pieces of the scripts of batch systems.
enum BatchText {
    static func comments(_ lines: [String]) -> String { PlainComment.lines(lines).map { $0 + "\n" }.joined() }

    /// A word of bash in printable ASCII, whatever the text holds.
    static func word(_ text: String) -> String {
        if text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value < 0x7F }) { return ShellQuoting.quoted(text) }
        let bytes = text.utf8.map { byte in
            let hex = String(byte, radix: 16)
            return "\\x" + (hex.count == 1 ? "0" : "") + hex
        }
        return "$'" + bytes.joined() + "'"
    }

    /// The arguments of Megatron-LM as an array of bash.
    static func arguments(_ job: LaunchedJob, _ run: MegatronJob) -> String {
        let own = run.lines.map { "    \($0)\n" }.joined()
        let others = run.otherLines.joined(separator: " ")
        return #"""
            # Megatron-LM, https://github.com/NVIDIA/Megatron-LM: a checkout of it.
            megatron=${MEGATRON_LM:-.}
            # Where checkpoints are; a job that starts again goes on from the newest of them.
            checkpoints=${CHECKPOINTS:-checkpoints/\#(job.folder)}
            # \#(run.saveWords)
            interval=\#(run.saveEvery)
            # What the plan does not say: put in --data-path, your tokenizer and your learning rate.
            others=(\#(others))
            # What the plan says.
            arguments=(
            \#(own))
            # SIGTERM saves a checkpoint and ends the run.
            saving=(--save "$checkpoints" --load "$checkpoints" --save-interval "$interval" --exit-signal-handler)
            """#
    }

    /// Gibibytes in words.
    static func memory(_ gib: Double) -> String {
        let rounded = (gib * 100).rounded(.up) / 100
        return "\(rounded) GiB"
    }

    /// Lines that export the variables of every process.
    static func environment(_ run: MegatronJob) -> String {
        run.environment.map { "export \($0.name)=\($0.value)" }.joined(separator: "\n")
    }

    static let iteration = #"""
        iteration() { cat "$checkpoints/latest_checkpointed_iteration.txt" 2> /dev/null || echo 0; }
        before=$(iteration)
        """#

    /// Megatron-LM ends with 0 too when it has stopped itself in time.
    static let complete = #"""
        after=$(iteration)
        # The run ends with 0 when it is complete, and when it has stopped itself after the minutes above.
        [ "$status" = 0 ] && [ -z "$stopping" ] && [ "$SECONDS" -lt "$((ending * 60))" ] && exit 0
        """#
}
