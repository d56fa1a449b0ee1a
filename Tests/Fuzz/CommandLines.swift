import Foundation
import Numbers
import Schedules

/// Whole command lines for the built programs.
struct CommandLines {
    let programs: String
    let scratch: String
    let seeds: Seeds

    private static let templates: [String] = [
        "plan PLAN", "plan PLAN --json", "plan PLAN --explain --width 80", "plan PLAN --devices N",
        "plan PLAN --search",
        "estimate --params 7B --tokens 1T --gpu a100-80g-sxm --gpus 64",
        "estimate --model llama2-7b --tokens 1T --gpu h100-80g-sxm --gpus 32 --batch 256 --sequence 4096 --json",
        "search PLAN --top 3 --threads 1", "search PLAN --top 2 --objective memory --pareto --json",
        "search PLAN --tensor 2 --pipeline 2 --microbatch 1", "compare PLAN",
        "compare PLAN --strategies data,zero-1 --json",
        "sweep PLAN --devices 8..32", "sweep PLAN --batch 64,128", "sweep PLAN --sequence 1024,2048 --json",
        "sweep PLAN --network-speed 0.5,2", "sweep PLAN --deadline 90d --most-devices 64",
        "sweep PLAN --cost 5M --most-devices 32",
        "sweep PLAN --devices 8..32 --svg OUT", "sweep PLAN --params 1B,2B",
        "sweep PLAN --clusters a100-80g-sxm,h100-80g-sxm", "gpus", "gpus --json", "frameworks",
        "frameworks nemo@25.04 --json",
        "estimate --params 7B --tokens 1T --gpu A100 --gpus 64",
        "schedule NAME --ranks 4 --microbatches 8",
        "schedule NAME --ranks 4 --virtual-stages 2 --microbatches 8 --json",
        "schedule interleaved-1f1b --ranks 4 --virtual-stages 2 --microbatches 8 --group-size 4",
        "simulate --schedule NAME --ranks 4 --microbatches 8 --forward 1 --backward-input 1 --backward-weight 1",
        "simulate --schedule 1f1b --transfer 0.1 --transfer-mode link --reduction 1 --optimizer 0.5 --overlap-reduction",
        "simulate --compare 1f1b,interleaved-1f1b,zbv,optimal --ranks 2 --microbatches 4 --memory-limit 2",
        "simulate --schedule optimal --ranks 2 --microbatches 4 --memory-limit 3", "simulate --actions LISTS --json",
        "simulate --ranks 4 --microbatches 8 --jitter 5% --runs 5 --seed 3 --slow-rank 2=1.3",
        "simulate PLAN --svg OUT --trace OUT", "simulate PLAN --schedule NAME", "simulate PLAN --microbatches 8 --json",
        "simulate PLAN --virtual-stages 2 --width 60 --no-colour", "validate --runs RUNS",
        "validate --runs PLAN --json",
        "generate CHECKPOINT --prompt A --tokens 3 --temperature 0.5 --seed 4", "train PLAN --steps N", "help plan",
        "plan --help", "--version", "--help", "",
    ]

    private static let options = [
        "--json", "--explain", "--width", "--devices", "--top", "--threads", "--batch", "--sequence", "--ranks",
        "--virtual-stages", "--microbatches", "--group-size", "--memory-limit", "--jitter", "--seed", "--slow-rank",
        "--trace", "--svg", "--tensor", "--pipeline", "--context", "--expert", "--microbatch", "--recompute",
        "--schedule", "--actions", "--help", "--nonsense", "--", "-n", "--objective", "--deadline", "--cost", "--quiet",
        "--generate-completion-script", "--experimental-dump-help", "--colour",
    ]

    /// The arguments that `seed` makes, the program's name first; files they name are written.
    func arguments(seed: UInt64) -> [String] {
        var random = SplitMix64(seed: seed)
        let template = random.pick(Self.templates)
        var words = template.split(separator: " ").map { word(String($0), &random) }
        for _ in 0..<(random.once(in: 2) ? 0 : 1 + random.below(2)) { change(&words, &random) }
        let isTrainer = words.first == "generate" && random.once(in: 2)
        // A training that does begin is not ours to wait for.
        if words.first == "train" || words.first == "calibrate" || words.first == "run" {
            words = ["train", scratch + "/none.yaml"]
        }
        return [isTrainer ? "trainyard-train" : "trainyard"] + words
    }

    private func word(_ word: String, _ random: inout SplitMix64) -> String {
        switch word {
        case "PLAN": file("plan.yaml", .plan, &random, changed: random.once(in: 2))
        case "RUNS": file("runs.yaml", .plan, &random, changed: true)
        case "LISTS": file("lists.csv", .actions, &random, changed: random.once(in: 2))
        case "CHECKPOINT": checkpoint(&random)
        case "NAME": random.pick(ScheduleName.allCases.map(\.rawValue))
        case "N": random.pick(Mutation.numbers)
        case "OUT": scratch + "/out"
        default: word
        }
    }

    private func file(_ name: String, _ kind: Kind, _ random: inout SplitMix64, changed: Bool) -> String {
        var text = random.pick(seeds.texts(kind))
        if changed { text = seeds.mutation(kind).applied(to: text, &random) }
        let path = "\(scratch)/\(name)"
        try? Data(text).write(to: URL(filePath: path))
        return path
    }

    private func checkpoint(_ random: inout SplitMix64) -> String {
        let header = seeds.mutation(.checkpoint).applied(to: random.pick(seeds.texts(.checkpoint)), &random)
        let path = scratch + "/weights.safetensors"
        let bytes =
            withUnsafeBytes(of: UInt64(header.count).littleEndian) { Data($0) } + Data(header) + Data(count: 24_000)
        try? bytes.write(to: URL(filePath: path))
        return path
    }

    private func change(_ words: inout [String], _ random: inout SplitMix64) {
        guard !words.isEmpty else { return words.append(random.pick(Self.options)) }
        let place = random.below(words.count)
        switch random.below(7) {
        case 0, 1: words[place] = random.pick(Mutation.numbers)
        case 2: words.remove(at: place)
        case 3: words.append(random.pick(Self.options))
        case 4: words += [random.pick(Self.options), random.pick(Mutation.numbers)]
        case 5:
            words[place] = random.pick([
                "", "é\u{301}", "a b", String(repeating: "x", count: 5000), "1..0", "0..1e15", "/", ".",
            ])
        default: words.insert(words[place], at: place)
        }
    }

    /// Runs `count` of them; findings, each a line.
    func run(seed: UInt64, count: Int) throws -> [String] {
        var findings: [String] = []
        var codes: [Int32: Int] = [:]
        let began = Date()
        for index in 0..<count {
            let one = SplitMix64.seed(of: index, in: ~seed)
            let arguments = arguments(seed: one)
            if let finding = try finding(arguments, &codes) {
                findings.append("command \(one): \(finding): \(Self.shown(arguments))")
                say(findings.last ?? "")
                if findings.count >= 100 { break }
            }
        }
        let shares = codes.sorted { $0.key < $1.key }.map { "\($0.value) with exit code \($0.key)" }
        say(
            String(format: "%d command lines in %.1f s: ", count, -began.timeIntervalSinceNow)
                + shares.joined(separator: ", "))
        return findings
    }

    /// What is wrong with how one ended, nil if nothing is.
    private func finding(_ arguments: [String], _ codes: inout [Int32: Int]) throws -> String? {
        let (output, errors) = (scratch + "/command.out", scratch + "/command.err")
        let program = "\(programs)/\(arguments[0])"
        guard let child = Child(program, Array(arguments.dropFirst()), output: output, errors: errors) else {
            throw Problem("cannot start \(program)")
        }
        while true {
            if let ending = child.ending(waits: false) {
                guard let code = ending.code else { return "signal \(ending.signal ?? 0)" }
                codes[code, default: 0] += 1
                if ending.seconds > Watcher.longest { return "takes \(ending.seconds) s" }
                guard (0...3).contains(code) else { return "exit code \(code)" }
                let words = (try? Data(contentsOf: URL(filePath: errors))) ?? Data()
                let last = String(decoding: words, as: UTF8.self).split(separator: "\n").last ?? ""
                let isSilent = last.isEmpty || last.hasSuffix(": ") || last == "error:"
                return code != 0 && isSilent ? "exit code \(code) without a word" : nil
            }
            usleep(1000)
            if child.seconds > 5 * Watcher.longest {
                child.kill()
                _ = child.ending(waits: true)
                return "takes more than \(5 * Watcher.longest) s"
            }
        }
    }

    /// Runs one again and prints it.
    func replay(_ seed: UInt64) throws {
        let arguments = arguments(seed: seed)
        say(Self.shown(arguments))
        var codes: [Int32: Int] = [:]
        say(try finding(arguments, &codes) ?? "nothing is wrong: \(codes)")
        for file in ["command.out", "command.err"] {
            let text = (try? String(contentsOfFile: "\(scratch)/\(file)", encoding: .utf8)) ?? ""
            say(text.prefix(2000) + "")
        }
    }

    private static func shown(_ arguments: [String]) -> String {
        arguments.map { $0.count > 60 ? "\($0.prefix(20))…" : $0 }.map {
            $0.contains(" ") || $0.isEmpty ? "'\($0)'" : $0
        }
        .joined(separator: " ")
    }
}
