// swift-tools-version: 6.2
import PackageDescription

/// Every room is compiled in Swift 6 mode, with explicit existentials and imports that do not leak.
let strict: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// The numeric rooms drop bounds and overflow traps in release: their loops run over raw memory.
let numeric = strict + [.unsafeFlags(["-Ounchecked"], .when(configuration: .release))]

/// Tests call what is optimised. Optimising their own code would take minutes of `make test`; where tests count and try
/// millions of things themselves it pays.
let tests = strict + [.unsafeFlags(["-Onone"], .when(configuration: .release))]

let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

/// What a plan says, and the rooms that say it.
let planning: [Target.Dependency] = ["Numbers", "Reading", "Models", "Plans", "Schedules"]

let package = Package(
    name: "trainyard",
    // What the standard library's `Mutex` and `Atomic` need.
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "trainyard", targets: ["trainyard"]),
        .executable(name: "trainyard-train", targets: ["trainyard-train"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
        .package(url: "https://github.com/LebJe/TOMLKit", exact: "0.6.0"),
    ],
    targets: [
        // Counts that cannot overflow, and what several rooms work out with numbers.
        .target(name: "Numbers", swiftSettings: strict),

        // Bytes to streams and files.
        .target(name: "Output", swiftSettings: strict),

        // What is asked, who does what, what it costs, when it happens, what to choose, what people read.
        .target(name: "Schedules", swiftSettings: strict),
        .target(name: "Reading", dependencies: ["Numbers", "Output", "Yams"], swiftSettings: strict),
        // Text as tokens, and files of them.
        .target(name: "Tokens", dependencies: ["Output", "Reading"], swiftSettings: strict),
        // Texts and questions made by a rule, and figures of how they are answered.
        .target(name: "Experiments", dependencies: ["Numbers", "Reading"], swiftSettings: strict),
        .target(name: "Models", dependencies: ["Numbers", "Reading"], swiftSettings: strict),
        // Loss from parameters and tokens: published laws, and laws fitted to finished runs.
        .target(name: "ScalingLaws", dependencies: ["Numbers", "Reading"], swiftSettings: strict),
        .target(
            name: "Plans", dependencies: ["Numbers", "Output", "Reading", "Models", "Schedules", "Yams"],
            swiftSettings: strict),
        .target(
            name: "Costs", dependencies: ["Numbers", "Reading", "Models", "Plans", "Schedules"], swiftSettings: strict),
        .target(name: "Simulator", dependencies: ["Numbers", "Schedules"], swiftSettings: strict),
        .target(
            name: "Planner", dependencies: planning + ["Costs", "Simulator", "ScalingLaws"], swiftSettings: strict),
        // Models that answer: another workload of the same parts.
        .target(
            name: "Inference", dependencies: ["Numbers", "Reading", "Models", "Plans", "Costs"], swiftSettings: strict),
        // Several runs on one pool of devices, with their risk and their money.
        .target(
            name: "Campaigns",
            dependencies: [
                "Numbers", "Reading", "Models", "Plans", "Costs", "Planner", "Inference", "Experiments", "ScalingLaws",
                "Yams",
            ],
            swiftSettings: strict),
        // Other tools' files in and out.
        .target(
            name: "Interchange",
            dependencies: ["Numbers", "Reading", "Models", "Plans", "Schedules", "Yams", "TOMLKit"],
            swiftSettings: strict),
        .target(
            name: "Reports",
            dependencies: planning + ["Costs", "Experiments", "Planner", "Inference", "Campaigns", "ScalingLaws"],
            swiftSettings: strict),

        // The runtime.
        .systemLibrary(name: "CMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev"])]),
        .systemLibrary(name: "COneDNN", providers: [.apt(["libdnnl-dev"])]),
        .target(name: "MPI", dependencies: ["CMPI"], swiftSettings: strict),
        .target(name: "Tensors", dependencies: ["COneDNN"], swiftSettings: numeric),
        .target(
            name: "Training", dependencies: planning + ["Output", "Experiments", "Tokens", "Tensors", "MPI"],
            swiftSettings: strict),

        // Which build this is; a target of its own, so that a commit compiles nothing else again.
        .target(name: "Version", swiftSettings: strict, plugins: ["CommitPlugin"]),
        .plugin(name: "CommitPlugin", capability: .buildTool()),

        // Options that both programs take.
        .target(
            name: "Options", dependencies: ["Numbers", "Output", "Reading", "Plans", argumentParser],
            swiftSettings: strict),

        // The two programs.
        .executableTarget(
            name: "trainyard",
            dependencies: [
                "Output", "Tokens", "Costs", "Simulator", "Planner", "Inference", "Campaigns", "Experiments",
                "ScalingLaws", "Reports", "Interchange", "Options", "Version", argumentParser,
            ] + planning,
            swiftSettings: strict),
        .executableTarget(
            name: "trainyard-train",
            dependencies: planning + [
                "Output", "Costs", "Experiments", "Planner", "Training", "Tensors", "MPI", "Options", "Version",
                argumentParser,
            ],
            swiftSettings: strict),

        // Programs the tests and `make bench` run under mpirun or on their own.
        .executableTarget(name: "mpi-checks", dependencies: ["MPI"], path: "Tests/MPIChecks", swiftSettings: strict),
        .executableTarget(
            name: "runtime-checks", dependencies: planning + ["Training", "MPI", "TestSupport"],
            path: "Tests/RuntimeChecks", swiftSettings: strict),
        .executableTarget(
            name: "kernel-bench", dependencies: ["Tensors"], path: "bench/KernelBench", swiftSettings: numeric),
        .executableTarget(
            name: "schedule-bench", dependencies: ["Schedules", "Simulator"], path: "bench/ScheduleBench",
            swiftSettings: strict),

        .executableTarget(
            name: "search-bench", dependencies: planning + ["Planner", "Costs"], path: "bench/SearchBench",
            swiftSettings: strict),

        // Inputs by the million: `make fuzz`.
        .executableTarget(
            name: "fuzz",
            dependencies: [
                "Output", "Costs", "Simulator", "Planner", "Reports", "Training", "TestSupport",
            ] + planning,
            path: "Tests/Fuzz", swiftSettings: strict),

        // What several tests share; no product links it.
        .target(
            name: "PricingSupport", dependencies: ["Models", "Plans", "Costs"], path: "Tests/PricingSupport",
            swiftSettings: strict),
        .target(
            name: "TestSupport", dependencies: ["Numbers", "Reading", "Models", "Plans"], path: "Tests/Support",
            swiftSettings: strict),

        .testTarget(name: "ArchitectureTests", dependencies: ["TestSupport"], swiftSettings: strict),
        .testTarget(name: "OutputTests", dependencies: ["Output", "TestSupport"], swiftSettings: strict),
        .testTarget(name: "NumbersTests", dependencies: ["Numbers"], swiftSettings: tests),
        .testTarget(name: "ReadingTests", dependencies: ["Reading"], swiftSettings: tests),
        .testTarget(
            name: "ExperimentsTests", dependencies: ["Experiments", "Reading", "TestSupport"], swiftSettings: tests),
        .testTarget(
            name: "TokensTests", dependencies: ["Numbers", "Output", "Reading", "Tokens"], swiftSettings: tests),
        .testTarget(
            name: "ScalingLawsTests", dependencies: ["Numbers", "Reading", "ScalingLaws", "TestSupport"],
            swiftSettings: tests),
        .testTarget(
            name: "ModelsTests", dependencies: ["Numbers", "Reading", "Models", "TestSupport"], swiftSettings: tests),
        .testTarget(name: "PlansTests", dependencies: planning + ["Output", "TestSupport"], swiftSettings: tests),
        .testTarget(name: "SchedulesTests", dependencies: ["Schedules"], swiftSettings: tests),
        .testTarget(
            name: "CostsTests", dependencies: planning + ["Costs", "PricingSupport", "TestSupport"],
            swiftSettings: tests),
        .testTarget(
            name: "SimulatorTests", dependencies: ["Simulator", "Schedules"], swiftSettings: tests),
        .testTarget(
            name: "PlannerTests",
            dependencies: planning + ["Planner", "Costs", "Simulator", "PricingSupport", "TestSupport"],
            swiftSettings: tests),
        .testTarget(
            name: "InferenceTests", dependencies: planning + ["Inference", "Costs", "TestSupport"], swiftSettings: tests
        ),
        .testTarget(
            name: "CampaignsTests",
            dependencies: planning + ["Campaigns", "Inference", "Planner", "Costs", "TestSupport"],
            swiftSettings: tests
        ),
        .testTarget(
            name: "InterchangeTests", dependencies: planning + ["Interchange", "TestSupport", "Yams"],
            swiftSettings: tests),
        .testTarget(
            name: "ReportsTests",
            dependencies: planning + ["Reports", "Costs", "Planner", "PricingSupport", "TestSupport"],
            swiftSettings: tests),
        .testTarget(
            name: "PropertyTests",
            dependencies: planning + [
                "Planner", "Costs", "Simulator", "Reports", "Interchange", "PricingSupport", "TestSupport",
            ],
            swiftSettings: strict),
        .testTarget(name: "TensorsTests", dependencies: ["Numbers", "Tensors"], swiftSettings: strict),
        .testTarget(
            name: "TrainingTests",
            dependencies: planning + [
                "Training", "Tensors", "Tokens", "Experiments", "MPI", "TestSupport",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "OptionsTests", dependencies: ["Options", "Reading", "Plans", argumentParser], swiftSettings: tests),
        .testTarget(name: "EndToEndTests", dependencies: ["TestSupport"], swiftSettings: strict),
    ]
)

// `TRAINYARD_ROOMS="CostsTests PlansTests"` leaves these targets and those they need: `make check` builds nothing else, and
// the tests of planning run where neither MPI nor oneDNN is.
if let rooms = Context.environment["TRAINYARD_ROOMS"] {
    var kept: Set<String> = []
    var open = rooms.split(separator: " ").map(String.init)
    while let name = open.popLast() {
        guard kept.insert(name).inserted, let target = package.targets.first(where: { $0.name == name })
        else { continue }
        for case .byNameItem(let name, _) in target.dependencies { open.append(name) }
        for case .plugin(let name, _) in target.plugins ?? [] { open.append(name) }
    }
    package.targets.removeAll { !kept.contains($0.name) }
    package.products.removeAll { !kept.contains($0.name) }
}
