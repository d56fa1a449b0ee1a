internal import Numbers
internal import Reading

extension Model {
    /// An image or a video, or the latent that an autoencoder makes of it, which patches cut into tokens.
    package struct Picture: Hashable, Codable, Sendable {
        /// Frames of a video; 1 for an image.
        package var frames = 1
        /// Pixels.
        package var height = 0
        package var width = 0
        /// Numbers of a point that patches are cut from: the colours of a pixel, or the channels of a latent.
        package var channels = 3
        /// Frames, height and width of a patch, in points of what is cut. One number stands for height and width.
        package var patch = [1]
        /// Frames, height and width in pixels of one point of the latent; [1]: patches are cut from pixels.
        package var compression = [1]
        /// Whether the projection of patches has a bias.
        package var bias = true
        /// Whether a learned token precedes the patches.
        package var classToken = false
        /// Learned tokens beside the patches (Darcet et al. 2023).
        package var registers = 0

        package init() {}

        /// Frames, height and width that a list of one to three numbers stands for.
        private static func extents(_ list: [Int]) -> [Int] {
            switch list.count {
            case 1: [1, list[0], list[0]]
            case 2: [1] + list
            case 3: list
            default: [1, 1, 1]
            }
        }

        /// Points of the latent, or of the picture itself: frames, height, width. The first frame of a video may stand
        /// alone in front of groups that an autoencoder compresses to one (MagViT-2's causal convolutions).
        package var points: [Int] {
            zip([frames, height, width], Self.extents(compression)).map { ($0 + $1 - 1) / max(1, $1) }
        }

        /// Patches along each axis.
        package var grid: [Int] { zip(points, Self.extents(patch)).map { $0 / max(1, $1) } }
        package var patches: Int { grid.reduce(1) { Int.product($0, $1) ?? .max } }
        /// Tokens of one picture, learned ones included.
        package var tokens: Int { Int(saturating: Double(patches) + Double(learnedTokens)) }
        /// Tokens that stand for no patch.
        package var learnedTokens: Int { (classToken ? 1 : 0) + registers }

        /// Points of a patch.
        package var patchPoints: Int { Self.extents(patch).reduce(1) { Int.product($0, $1) ?? .max } }
        /// Numbers of a patch.
        package var patchNumbers: Int { Int.product(channels, patchPoints) ?? .max }
    }
}

extension Model.Picture {
    private static let pixels = 1...1_000_000
    private static let channelCounts = 1...65_536
    private static let patchSizes = 1...4_096

    /// The keys of `image:`, in the order of a written plan. What a shape already says may be left out.
    static let imageKeys: [ShapeKey<Model.Picture>] = [
        .count("height", in: pixels, \.height), .count("width", in: pixels, \.width),
        .count("channels", in: channelCounts, \.channels),
        .counts("patch", in: patchSizes, \.patch), .counts("compression", in: patchSizes, \.compression, standard: [1]),
        .flag("bias", \.bias, standard: true), .flag("classToken", \.classToken),
        .count("registers", in: 0...Bounds.heads.upperBound, \.registers, standard: 0),
    ]
    /// The keys of `video:`.
    static let videoKeys = [ShapeKey<Model.Picture>.count("frames", in: pixels, \.frames)] + imageKeys

    /// The rules that a picture breaks, each with the key that it concerns.
    var problems: [(key: String, problem: PlanProblem)] {
        var problems: [(key: String, problem: PlanProblem)] = []
        func add(_ key: String, _ value: String, _ rule: String, fix: String = "") {
            problems.append((key, PlanProblem(.misfit, field: "", value: value, rule: rule, fix: fix)))
        }
        for (key, value) in [("height", height), ("width", width)] where value == 0 {
            add(key, "(not given)", "is needed: patches are cut from it", fix: "in pixels, e.g. 256")
        }
        for (key, list) in [("patch", patch), ("compression", compression)] where list.isEmpty || list.count > 3 {
            add(
                key, "\(list.count) numbers", "must be one number, or height and width, or frames, height and width",
                fix: "e.g. \(key): [1, 2, 2]")
        }
        guard problems.isEmpty else { return problems }
        let (patches, squeezed) = (Self.extents(patch), Self.extents(compression))
        let names = ["frames", "height", "width"]
        for (axis, size) in [frames, height, width].enumerated() {
            let (step, edge) = (squeezed[axis], patches[axis])
            let rest = size % step
            guard rest == 0 || axis == 0 && rest == 1 else {
                let first = axis == 0 ? ", or one frame more" : ""
                add(
                    names[axis], "\(size)", "must be a multiple of compression \(step)\(first)",
                    fix: Self.near(size, step * edge))
                continue
            }
            guard points[axis] % edge == 0 else {
                let of = step > 1 ? "\(points[axis]) points of the latent" : "\(names[axis]) \(size)"
                add("patch", "\(edge)", "must divide \(of)", fix: "or \(names[axis]): \(Self.near(size, step * edge))")
                continue
            }
        }
        if patchNumbers > Bounds.hidden.upperBound {
            add(
                "patch", "\(patch)",
                "has \(Figures.grouped(patchNumbers)) numbers with \(channels) channels, more than "
                    + "the \(Figures.grouped(Bounds.hidden.upperBound)) of a row", fix: "take smaller patches")
        }
        return problems
    }

    private static func near(_ size: Int, _ step: Int) -> String {
        let down = size / step * step
        return [down, down + step].filter { $0 > 0 }.map(String.init).joined(separator: " or ")
    }
}
