package import Reading

extension Framework {
    /// Reads the framework file at `path`.
    /// - Throws: all problems of the file.
    package static func read(path: String, library: Library = .standard()) throws(PlanProblems) -> Framework {
        var files = ReadFiles()
        return try read(path: path, library: library, files: &files)
    }

    /// Reads the framework file at `path`. The file and those it extends are added to `files`.
    package static func read(
        path: String, library: Library, files: inout ReadFiles
    ) throws(PlanProblems) -> Framework {
        try read(text: YAMLFile.text(path: path, files: &files), path: path, library: library, files: &files)
    }

    /// Reads a framework from the text of a file that is, or would be, at `path`.
    package static func read(text: String, path: String, library: Library) throws(PlanProblems) -> Framework {
        var files = ReadFiles()
        return try read(text: text, path: path, library: library, files: &files)
    }

    /// - Parameter extending: the files that led to this one, each of which extends the next; a file that appears twice
    ///   is an error.
    private static func read(
        text: String, path: String, library: Library, files: inout ReadFiles, extending: [String] = []
    ) throws(PlanProblems) -> Framework {
        let collector = ProblemCollector(file: path)
        let reader = FieldReader(try YAMLFile.compose(text: text, name: path), path: "", collector: collector)
        let name = reader.text("name") ?? Library.stem(path)
        var framework = Framework(name: name)
        if let base = reader.text("extends") {
            let found = Library.isPath(base) ? library.existing(base) : library.frameworkFile(base)
            let line = extending + [path]
            guard base != name, !(found.map(line.contains) ?? false) else {
                reader.report("extends", value: "'\(base)'", rule: "these files extend one another in a circle")
                throw collector.all
            }
            guard let path = found else {
                reader.report(
                    "extends", value: "'\(base)'", rule: "no other framework of that name in frameworks/",
                    fix: Library.suggestion(for: base, among: library.frameworkNames))
                throw collector.all
            }
            framework = try read(
                text: YAMLFile.text(path: path, files: &files), path: path, library: library, files: &files,
                extending: line)
            framework.bases.insert(Base(name: framework.name, own: framework.own), at: 0)
            framework.name = name
            framework.own = []
            (framework.products, framework.since, framework.fitted, framework.sources) = ([], nil, [:], [:])
        }
        _ = reader.text("source")
        if let since = reader.text("since") {
            framework.since = SoftwareName.Release.month(since)
            if framework.since == nil {
                reader.report("since", value: "'\(since)'", rule: "must be a month", fix: "e.g. since: 2025-03")
            }
        }
        if let products = reader.map("products") {
            framework.products = products.keys.compactMap { key in
                guard let text = products.text(key) else { return nil }
                guard case .version(let first)? = SoftwareName.Release(text) else {
                    products.report(
                        key, value: "'\(text)'", rule: "must be the first version of this generation",
                        fix: "e.g. \(key): 25.04")
                    return nil
                }
                return Product(name: key, first: first, text: text)
            }
        }
        if let sources = reader.map("sources") {
            for family in sources.keys { framework.sources[family] = sources.count(family, in: 1...10_000) }
        }
        let constants = reader.constants()
        for (constant, value) in constants { framework[constant] = value }
        framework.own = Set(constants.keys)
        if let fitted = reader.map("fitted") {
            framework.fitted = fitted.constants()
            for constant in framework.fitted.keys where !framework.own.contains(constant) {
                fitted.report(
                    constant.rawValue, rule: "the file states no value of it", fix: "add \(constant.rawValue): …")
            }
            fitted.reportUnknownKeys()
        }
        for (key, path) in Self.switches {
            if let value = reader.flag(key) { framework[keyPath: path] = value }
        }
        framework.dispatcher = reader.choice("dispatcher", of: Layout.Dispatcher.self) ?? framework.dispatcher
        framework.reservedBytes = reader.quantity("reserved", .bytes, in: 0...1e15) ?? framework.reservedBytes
        if let memory = reader.map("memory") {
            framework.memory.read(memory)
            memory.reportUnknownKeys()
        }
        if let can = reader.map("can") {
            framework.abilities.read(can)
            can.reportUnknownKeys()
        }
        reader.reportUnknownKeys()
        guard collector.isEmpty else { throw collector.all }
        return framework
    }

    private static var switches: [(String, WritableKeyPath<Framework, Bool>)] {
        [
            ("fusedAccumulation", \.fusedAccumulation), ("scattersGradients", \.scattersGradients),
            ("portableAttention", \.portableAttention), ("blockingLaunches", \.blockingLaunches),
            ("twoGradients", \.twoGradients), ("selectiveOperations", \.selectiveOperations),
            ("oneBucketWithoutOverlap", \.oneBucketWithoutOverlap),
            ("dispatchOncePerNode", \.dispatchOncePerNode), ("eightBitDispatch", \.eightBitDispatch),
            ("shardsMasterWeights", \.shardsMasterWeights), ("keepsCombinedRows", \.keepsCombinedRows),
            ("fusesNorms", \.fusesNorms), ("reducesInHalf", \.reducesInHalf),
            ("copiesFP32ToHost", \.copiesFP32ToHost), ("keepsOffloadedMaster", \.keepsOffloadedMaster),
            ("addsOffloadedGradients", \.addsOffloadedGradients),
        ]
    }
}

extension FieldReader {
    /// The constants of a framework that the map states.
    fileprivate func constants() -> [Framework.Constant: Double] {
        var values: [Framework.Constant: Double] = [:]
        for constant in Framework.Constant.allCases {
            let unit: Quantity.Unit = constant.isSeconds ? .seconds : constant.isCount ? .count : .plain
            values[constant] = quantity(constant.rawValue, unit, in: constant.range)
        }
        return values
    }
}

extension Framework.Abilities {
    /// Replaces the values that the map `can:` states; the others stay.
    fileprivate mutating func read(_ can: FieldReader) {
        func words<Word: RawRepresentable & CaseIterable>(_ key: String, _ path: WritableKeyPath<Self, [Word]>)
        where Word.RawValue == String {
            if let read = can.choices(key, of: Word.self) { self[keyPath: path] = read }
        }
        words("schedules", \.schedules)
        if schedules.isEmpty { can.report("schedules", rule: "must name at least one", fix: "e.g. [1f1b]") }
        let isSaid = can.contains("sharding")
        words("sharding", \.sharding)
        if isSaid { shardingWithPipeline = sharding }
        words("shardingWithPipeline", \.shardingWithPipeline)
        for (key, kinds) in [("sharding", sharding), ("shardingWithPipeline", shardingWithPipeline)]
        where kinds.isEmpty && can.contains(key) {
            can.report(key, rule: "must name at least one kind", fix: "none is a kind: [none]")
        }
        words("context", \.context)
        words("optimizers", \.optimizers)
        words("moments", \.moments)
        words("masters", \.masters)
        words("losses", \.losses)
        words("recipes", \.recipes)
        words("dispatchers", \.dispatchers)
        words("offload", \.offload)
        words("hostOptimizers", \.hostOptimizers)
        words("hostMoments", \.hostMoments)
        tensorOverlap = can.choice("tensorOverlap", of: TensorOverlap.self) ?? tensorOverlap
        outerSharding = can.flag("outerSharding") ?? outerSharding
        vocabularyParallel = can.flag("vocabularyParallel") ?? vocabularyParallel
        offloadsActivationsAlone = can.flag("offloadsActivationsAlone") ?? offloadsActivationsAlone
        shardGroups = can.flag("shardGroups") ?? shardGroups
        stages = can.choice("stages", of: Stages.self) ?? stages
        dividesEvenly = can.flag("dividesEvenly") ?? dividesEvenly
        experts = can.choice("experts", of: Experts.self) ?? experts
        expertsNeedSequenceParallel = can.flag("expertsNeedSequenceParallel") ?? expertsNeedSequenceParallel
    }
}

extension Frameworks {
    /// Reads all framework files of `library`.
    /// - Throws: all problems of the first file that has any.
    package static func read(library: Library) throws(PlanProblems) -> Frameworks {
        var files = ReadFiles()
        return try read(library: library, files: &files)
    }

    /// Reads all framework files of `library`, which are added to `files`.
    package static func read(library: Library, files: inout ReadFiles) throws(PlanProblems) -> Frameworks {
        var frameworks: [Framework] = []
        for name in library.frameworkNames {
            guard let path = library.frameworkFile(name) else { continue }
            frameworks.append(try Framework.read(path: path, library: library, files: &files))
        }
        return Frameworks(frameworks)
    }

    /// Reads `framework:` of a plan; a plan without that key means `auto`.
    static func read(_ plan: FieldReader, library: Library) -> Frameworks? {
        let name = plan.word("framework")
        var frameworks: Frameworks
        do throws(PlanProblems) { frameworks = try read(library: library, files: &plan.collector.files) } catch {
            error.problems.forEach(plan.collector.adopt)
            return nil
        }
        if name == nil, plan.contains("framework") {
            plan.report(
                "framework", rule: "must be a name or the path of a framework file",
                fix: "a file may say extends: NAME and what differs, e.g. framework: ./mine.yaml")
            return nil
        }
        guard let name, name != "auto" else { return frameworks }
        if Library.isPath(name) {
            guard let path = library.existing(name) else {
                plan.report("framework", value: "'\(name)'", rule: "no such file")
                return nil
            }
            do throws(PlanProblems) {
                let framework = try Framework.read(path: path, library: library, files: &plan.collector.files)
                frameworks.known[framework.name] = framework
                (frameworks.named, frameworks.path) = (framework.name, path)
                return frameworks
            } catch {
                error.problems.forEach(plan.collector.adopt)
                return nil
            }
        }
        guard let software = SoftwareName(name) else {
            plan.report(
                "framework", value: "'\(name)'", rule: "must be a name, NAME@VERSION or NAME@YYYY-MM",
                fix: "e.g. nemo@25.04, torchtitan@2025-03")
            return nil
        }
        switch frameworks.resolved(software) {
        case .found(let found), .olderThan(let found):
            frameworks.named = found
            if found != name { frameworks.product = software }
            return frameworks
        case .unknown:
            plan.report(
                "framework", value: "'\(software.product)'", rule: "no software of that name in frameworks/",
                fix: Library.suggestion(for: software.product, among: frameworks.allNames))
            return nil
        }
    }
}
