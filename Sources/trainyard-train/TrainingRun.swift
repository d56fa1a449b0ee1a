internal import ArgumentParser
internal import Foundation
internal import MPI
internal import Output
internal import Plans
internal import Schedules
internal import Tensors
internal import Training

/// One rank's whole run: read the plan, train, leave the records.
struct TrainingRun {
    let planPath: String
    let options: RunOptions
    let world: Communicator

    private var isFirst: Bool { world.rank == 0 }

    func run() throws {
        let plan = try Plan.read(path: planPath, isRun: true)
        guard var settings = plan.train else {
            throw TrainingError.unsupported(
                field: "train", value: "(missing)", reason: "\(planPath) has no train section; see plans/tiny-gpt.yaml")
        }
        guard let layout = plan.layout else {
            throw TrainingError.unsupported(
                field: "layout", value: "auto", reason: "a real run needs a layout map; `trainyard plan` finds one")
        }
        if let data = options.data { settings.data = data }
        if let steps = options.steps {
            guard Bounds.steps.contains(steps.value) else {
                throw ValidationError("--steps: \(steps) is not a positive number of steps")
            }
            settings.steps = steps.value
        }
        // What cannot be written is refused first, so that a run does not end on a full afternoon's loss.
        if isFirst {
            for case let path? in [options.log, options.metrics, options.trace, options.timeline, options.save] {
                _ = try OutputFile(path)
            }
            if let checkpoint = settings.checkpoint { try Checkpoint.prepare(directory: checkpoint.path) }
        }
        guard plan.precision != .bf16 || BFloat16.isSupported else {
            throw TrainingError.unsupported(
                field: "precision", value: "bf16",
                reason: "this processor does not multiply bf16 numbers (it needs AVX512-BF16); use fp32")
        }
        let trainer = try Trainer(plan: plan, layout: layout, settings: settings, world: world)
        if isFirst, !options.quiet {
            for remark in plan.remarksOfARun(layout, settings) {
                FileHandle.standardError.write(Data("note: \(remark.text)\n".utf8))
            }
        }
        let logs = try (isFirst ? [options.log, options.metrics] : []).compactMap(\.self).map { path in
            try MetricsLog(OutputFile(path))
        }
        let board = try isFirst ? options.tensorboard.map { try TensorBoardLog(directory: $0) } : nil
        let progress = ProgressLine(
            trainer: trainer, steps: settings.steps, enabled: isFirst && !options.quiet)
        progress.begin()
        let flops = FLOPs(model: plan.model, sequences: plan.batch, vocabulary: plan.model.vocab).model
        trainer.profile.isOn = options.profile
        var profiled = (steps: 0, seconds: 0.0)
        for step in 0..<settings.steps {
            let report = try trainer.step(step)
            if step == 0, settings.steps > 1 {
                // The first step also warms up libraries and memory.
                trainer.profile.clear()
            } else {
                profiled = (profiled.steps + 1, profiled.seconds + report.seconds)
            }
            for log in logs { try log.write(report, modelFLOPs: flops) }
            if let board { try board.write(report) }
            progress.show(report)
            if let checkpoint = settings.checkpoint,
                (step + 1) % checkpoint.every == 0 || step + 1 == settings.steps
            {
                let path = checkpoint.path + "/" + Checkpoint.name(step: step + 1)
                try trainer.saveWeights(to: path, step: step + 1)
                if isFirst { Checkpoint.prune(directory: checkpoint.path, keep: checkpoint.keep) }
            }
        }
        progress.end()
        if options.profile,
            let table = try trainer.profile.report(world, seconds: profiled.seconds, steps: profiled.steps)
        {
            try StandardStreams.output(table + "\n")
        }
        if let save = options.save { try trainer.saveWeights(to: save, step: settings.steps) }
        if options.trace != nil || options.timeline != nil {
            guard let timeline = try trainer.gatherTimeline(name: plan.name + " (measured)") else { return }
            if let path = options.trace { try OutputFile.write(timeline.chromeTrace(), to: path) }
            if let path = options.timeline {
                try OutputFile.write(String(decoding: JSONEncoder().encode(timeline), as: UTF8.self), to: path)
            }
        }
    }
}
