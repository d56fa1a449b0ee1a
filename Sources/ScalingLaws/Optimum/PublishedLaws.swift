extension PublishedLaw {
    /// All laws, in the order in which they are printed.
    package static let all = [
        hoffmannEnvelope, hoffmannIsoFLOP, hoffmannFit, besiroglu, deepseek, llama3, kaplan,
    ]

    /// The law that answers where one alone is needed: the refit, whose constants agree with its authors' runs.
    package static let usual = besiroglu

    /// Hoffmann et al. trained over 400 models.
    private static let hoffmannRange = FittedRange(
        parameters: 70e6...16e9, tokens: 5e9...500e9, flops: 6e18...3e21)
    private static let massiveText = "MassiveText, SentencePiece of 32,000"

    /// N ∝ C^0.50: table 2, with the 67B parameters at 5.76·10²³ FLOPs of table 3.
    package static let hoffmannEnvelope = PublishedLaw(
        name: "hoffmann-1", title: "Hoffmann et al. 2022, approach 1",
        source: "arXiv 2203.15556, tables 2 and 3: the smallest loss of all learning curves at each FLOPs",
        counting: .all,
        loss: .none, split: .parameters(PowerLaw(exponent: 0.50, through: (5.76e23, 67e9))), range: hoffmannRange,
        data: massiveText)

    /// N ∝ C^0.49: table 2, with the 67B parameters at 6.88·10²³ FLOPs of table A3.
    package static let hoffmannIsoFLOP = PublishedLaw(
        name: "hoffmann-2", title: "Hoffmann et al. 2022, approach 2",
        source: "arXiv 2203.15556, tables 2 and A3: parabolas through runs of equal FLOPs", counting: .all,
        loss: .none, split: .parameters(PowerLaw(exponent: 0.49, through: (6.88e23, 67e9))), range: hoffmannRange,
        data: massiveText)

    package static let hoffmannFit = PublishedLaw(
        name: "hoffmann-3", title: "Hoffmann et al. 2022, approach 3",
        source: "arXiv 2203.15556, equation 10: E + A/N^α + B/D^β fitted to all runs", counting: .all,
        loss: .sum(
            LossLaw(
                floor: 1.69, parameterFactor: 406.4, parameterExponent: 0.34, tokenFactor: 410.7, tokenExponent: 0.28)),
        split: .leastLoss, range: hoffmannRange, data: massiveText,
        note: "its rounded constants do not fit its own runs (Besiroglu et al. 2024)")

    /// The runs are those of figure 4 of Hoffmann et al.; their range is that of the points read off.
    package static let besiroglu = PublishedLaw(
        name: "besiroglu", title: "Besiroglu et al. 2024",
        source: "arXiv 2404.10102, table 1: approach 3 fitted again to 240 of Hoffmann's runs", counting: .all,
        loss: .sum(
            LossLaw(
                floor: 1.8172, parameterFactor: 482.01, parameterExponent: 0.3478, tokenFactor: 2085.43,
                tokenExponent: 0.3658)),
        split: .leastLoss, range: FittedRange(parameters: 57e6...16.2e9, tokens: 0.2e9...318e9, flops: 1e18...1.3e22),
        data: massiveText)

    /// D_opt = 5.8316·C^0.4757 and M_opt = 0.1715·C^0.5243 with C = M·D, where M counts FLOPs a token.
    package static let deepseek = PublishedLaw(
        name: "deepseek", title: "DeepSeek LLM 2024",
        source: "arXiv 2401.02954, equation 4: runs of equal FLOPs", counting: .withoutEmbedding,
        loss: .none, split: .tokens(PowerLaw(5.8316, 0.4757)), range: FittedRange(flops: 1e17...3e20),
        data: "DeepSeek's Chinese and English text, BPE of 102,400",
        note: "its size is FLOPs a token, attention included and vocabulary not; parameters here are a sixth of them")

    /// D = 0.29·C^0.5378. The report prints 0.53 and 16.55T tokens at 3.8·10²⁵ FLOPs: 0.53 alone would make 10.5T, so the
    /// exponent is the one that its own extrapolation has.
    package static let llama3 = PublishedLaw(
        name: "llama3", title: "Llama 3 2024",
        source: "arXiv 2407.21783, section 3.2.1: runs of equal FLOPs", counting: .all, loss: .none,
        split: .tokens(PowerLaw(0.29, 0.5378)),
        range: FittedRange(parameters: 40e6...16e9, flops: 6e18...1e22),
        data: "Llama 3's text, BPE of 128,256",
        note: "exponent from its printed 16.55T tokens at 3.8e25 FLOPs; its printed 0.53 is cut off")

    /// FLOPs of a day at 10¹⁵ a second.
    private static let petaflopDay = 8.64e19

    /// N_opt = 1.3·10⁹·C^0.73 with C in PF-days: table 6, for batches far below the critical one.
    package static let kaplan = PublishedLaw(
        name: "kaplan", title: "Kaplan et al. 2020",
        source: "arXiv 2001.08361, equation 1.5, tables 2 and 6", counting: .withoutEmbedding,
        loss: .kaplan(.published), split: .parameters(PowerLaw(exponent: 0.73, through: (petaflopDay, 1.3e9))),
        range: FittedRange(parameters: 768...1.5e9, tokens: 22e6...23e9), data: "WebText2, BPE of 50,257",
        note:
            "its runs kept one schedule of rates whatever their length, which favours large models (Hoffmann et al. 2022)"
    )
}
