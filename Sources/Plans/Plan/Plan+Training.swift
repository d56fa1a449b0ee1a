extension Plan {
    /// What the plan states of a run beyond its price, in `train` or `hyperparameters`. A smallest learning rate that is not
    /// stated is a tenth of the largest.
    package var training: Hyperparameters {
        var own = train.map { Hyperparameters($0) } ?? hyperparameters ?? Hyperparameters()
        own.minLearningRate = own.minLearningRate ?? own.learningRate.map { $0 / 10 }
        return own
    }
}
