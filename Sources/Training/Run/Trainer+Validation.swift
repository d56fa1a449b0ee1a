internal import MPI
package import Plans

extension Trainer {
    /// Collective. Computes the loss on the text that is not trained on, forward only, with the weights as they are. Nothing that
    /// training depends on changes, and neither profile nor timeline of the last step do.
    /// - Returns: nil if the run has no such text. Bits per byte are known on the first rank.
    package func validate() throws -> ValidationLoss? {
        guard let held = corpus.validation, let validationBatch else { return nil }
        let (mark, isProfiled) = (recorder.mark, profile.isOn)
        profile.isOn = false
        defer {
            recorder.goBack(to: mark)
            profile.isOn = isProfiled
        }
        var sum = 0.0
        for number in 0..<held.batches {
            try validationBatch.load(serial: number * plan.batch)
            sum += try executor.evaluate(validationBatch)
        }
        // Every tensor rank computes the same loss; the first one's counts.
        let all = try world.allGather([groups.place.tensor == 0 ? sum : 0])
        let bytes = isFirst ? try corpus.tokenizer.map { try held.bytes($0) } : nil
        return ValidationLoss(sum: all.reduce(0, +), tokens: held.predictions, bytes: bytes)
    }
}
