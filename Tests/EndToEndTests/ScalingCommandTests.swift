import Foundation
import TestSupport
import Testing

/// `trainyard scaling` as it is run.
@Suite struct ScalingCommandTests {
    private func trainyard(_ command: String, in folder: URL = BuiltProgram.root) throws -> BuiltProgram.Outcome {
        try BuiltProgram("trainyard").run(command.split(separator: " ").map(String.init), in: folder)
    }

    private func document(_ command: String) throws -> [String: Any] {
        let outcome = try trainyard(command + " --json")
        #expect(outcome.exitCode == 0, "\(outcome.everything)")
        return try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    }

    /// Every law spends Chinchilla's budget; the laws' answers and their spread are those of the papers.
    @Test func theDisputeInOneCommand() throws {
        let answer = try document("scaling --flops 5.76e23")
        let laws = try #require(answer["laws"] as? [[String: Any]])
        #expect(laws.count == 7)
        for law in laws {
            #expect(abs((law["flops"] as? Double ?? 0) / 5.76e23 - 1) < 1e-9)
        }
        let sizes = laws.compactMap { $0["parameters"] as? Double }
        #expect(sizes.contains { abs($0 - 67e9) < 1e3 }, "approach 1 of Hoffmann et al., table 3")
        let spread = try #require(answer["spread"] as? [String: Any])
        #expect(abs((spread["parameters"] as? Double ?? 0) - (sizes.max() ?? 0) / (sizes.min() ?? 1)) < 1e-9)
        // All but one law were fitted far below.
        #expect(laws.allSatisfy { $0["beyond"] != nil })
        #expect(((answer["notes"] as? [[String: Any]])?.first?["code"] as? String) == "law-extrapolated")
    }

    /// A budget is spent to one part in a thousand, by the law's own split.
    @Test(arguments: [
        ("--devices 64 --days 10", "days", 10.0), ("--devices 64 --gpu-months 20", "gpuMonths", 20),
        ("--cost 50K --days 20 --price 2", "days", 20),
    ])
    func budgetsAreSpentByThePlanner(_ options: String, _ figure: String, _ wanted: Double) throws {
        let answer = try document("scaling --gpu H100 \(options)")
        let plan = try #require(answer["plan"] as? [String: Any])
        let run = try #require(plan["run"] as? [String: Any])
        #expect(abs((run[figure] as? Double ?? 0) / wanted - 1) < 1e-3, "\(run)")
        let size = try #require((plan["model"] as? [String: Any])?["parameters"] as? Double)
        let usual = try #require(
            (answer["laws"] as? [[String: Any]])?.first { $0["law"] as? String == answer["usual"] as? String })
        #expect(abs((usual["parameters"] as? Double ?? 0) / size - 1) < 0.04)
        if figure == "days", options.contains("cost") {
            // 25,000 hours in 20 days are 52 devices.
            #expect((run["cost"] as? Double ?? 0) <= 50_000 * 1.01)
        }
    }

    @Test func contradictoryBudgetsAreRefused() throws {
        for (options, words) in [
            ("", "there is no budget: give --flops"),
            ("--flops 1e21 --cost 1M", "--flops states the whole budget: leave out --cost"),
            ("--days 30", "--days: spent on what? add --gpu"),
            ("--days 30 --gpu H100", "on how many devices, or for how much?"),
            ("--cost 1M --gpu H100", "on how many devices, or in which time?"),
            ("--cost 1M --gpu-months 5 --gpu H100", "two budgets of one kind"),
            ("--gpu H100 --devices 8", "how much is there to spend?"),
            ("--gpu H100 --devices 8 --days 3 --cost 1K", "one follows from the others"),
            ("plans/tiny-gpt.yaml --gpu H100", "the plan states the cluster"),
            ("plans/tiny-gpt.yaml --flops 1e20", "--flops states the whole budget: leave out a plan"),
            ("--flops nan", "--flops: 'nan' is not"), ("--flops 0", "--flops: '0' is not"),
            ("--flops 1e300", "--flops: '1e300' is not"), ("--flops 1e21 --law besirogul", "did you mean"),
            ("--flops 1e21 --predict 7B", "is not parameters x tokens"),
            ("--flops 1e21 --served-tokens 0", "--served-tokens takes 1 to 1e18"),
            ("--flops 1e21 --tie-exponents", "--tie-exponents belongs to --fit"),
            ("--fit no.csv", "no.csv: no such file"), ("--fit no.csv --flops 1e21", "leave one of the two out"),
            ("--gpu H100 --gpu-months 1e-6 --days 10", "at least one and at most"),
        ] {
            let outcome = try trainyard("scaling " + options)
            #expect(outcome.exitCode == 2 && outcome.output.isEmpty, "\(options): \(outcome.everything)")
            #expect(outcome.errors.contains(words), "\(options): \(outcome.errors)")
        }
    }

    /// A table of runs becomes a law; a run that was held back lies in its interval; too few are refused.
    @Test func runsAreFitted() throws {
        let folder = try TemporaryFolder()
        func line(_ size: Double, _ tokens: Double, _ role: String) -> String {
            let loss: Double = 1.7 + 400 * pow(size, -0.34) + 410 * pow(tokens, -0.28)
            return "\(size),\(tokens),\(loss),\(role)"
        }
        var lines = [line(2e8, 8e9, "held")]
        for size in [1e7, 2e7, 4e7, 8e7] {
            for each in [5.0, 20, 80] { lines.append(line(size, size * each, "fitted")) }
        }
        try folder.write("parameters,tokens,loss,role\n" + lines.joined(separator: "\n") + "\n", as: "runs.csv")
        let outcome = try trainyard(
            "scaling --fit runs.csv --predict 1Bx20B --csv out.csv --svg out.svg --json", in: folder.url)
        #expect(outcome.exitCode == 0, "\(outcome.everything)")
        let fit = try #require(try outcome.document()["fit"] as? [String: Any])
        let constants = try #require(fit["constants"] as? [String: [String: Double]])
        #expect(abs((constants["alpha"]?["value"] ?? 0) - 0.34) < 1e-3)
        let predictions = try #require(fit["predictions"] as? [[String: Any]])
        #expect(abs(predictions.first?["error"] as? Double ?? 1) < 1e-3 && predictions.count == 2)
        #expect(try String(contentsOf: folder.url.appending(path: "out.csv"), encoding: .utf8).contains("held,"))
        #expect(try String(contentsOf: folder.url.appending(path: "out.svg"), encoding: .utf8).contains("</svg>"))
        try folder.write("parameters,tokens,loss\n1e7,1e9,3\n", as: "few.csv")
        let few = try trainyard("scaling --fit few.csv", in: folder.url)
        #expect(
            few.exitCode == 2 && few.errors.contains("few.csv: 1 point cannot fix 5 constants: at least 7"),
            "\(few.errors)")
    }
}
