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
            let line = extending + [path]
            guard base != name, let path = file(of: base, reader, library: library, files: &files) else {
                if base == name { reportCircle(base, reader) }
                throw collector.all
            }
            guard !line.contains(path) else {
                reportCircle(base, reader)
                throw collector.all
            }
            framework = try read(
                text: YAMLFile.text(path: path, files: &files), path: path, library: library, files: &files,
                extending: line)
            framework = framework.extended(as: name)
        }
        framework.fill(reader, extends: !framework.bases.isEmpty)
        reader.reportUnknownKeys()
        guard collector.isEmpty else { throw collector.all }
        return framework
    }

    private static func reportCircle(_ base: String, _ reader: FieldReader) {
        reader.report("extends", value: "'\(base)'", rule: "these files extend one another in a circle")
    }

    /// The file of the software that `extends:` of a framework file names, as a plan does under `framework:`: by a path, a
    /// generation, or a product with or without a release. nil, after a report: there is none.
    private static func file(
        of base: String, _ reader: FieldReader, library: Library, files: inout ReadFiles
    ) -> String? {
        if Library.isPath(base) {
            let found = library.existing(base)
            if found == nil { reader.report("extends", value: "'\(base)'", rule: "no such file") }
            return found
        }
        if let found = library.frameworkFile(base) { return found }
        let known = Frameworks.generations(library: library, files: &files)
        guard let name = Frameworks(known.map(\.framework)).resolve(base, at: "extends", of: reader) else { return nil }
        return known.first { $0.framework.name == name.generation }?.path
    }

    /// Software of another name with the same constants, which it inherits: its products, runs and date are its own.
    private func extended(as name: String) -> Framework {
        var other = self
        other.bases.insert(Base(name: self.name, own: own, assumed: assumed), at: 0)
        other.name = name
        (other.own, other.products, other.since, other.fitted, other.sources) = ([], [], nil, [:], [:])
        other.assumed = []
        return other
    }

    /// This software with what the map under `framework:` of a plan changes.
    /// - Parameter name: the name that answers give it.
    func changed(by map: FieldReader, as name: String) -> Framework {
        var other = extended(as: name)
        (other.since, other.fitted) = (since, [:])
        other.fill(map, extends: true)
        return other
    }

    /// Reads all keys of a file but its name and what it extends.
    /// - Parameter extends: whether the file extends another, whose constants these are.
    private mutating func fill(_ reader: FieldReader, extends: Bool) {
        _ = reader.text("source")
        fillReleases(reader)
        if let sources = reader.map("sources") {
            for family in sources.keys { self.sources[family] = sources.count(family, in: 1...10_000) }
        }
        let readsKernel = readAttentionKernel(reader)
        let constants = reader.constants(but: readsKernel ? [.attention] : [])
        for (constant, value) in constants { self[constant] = value }
        own.formUnion(constants.keys)
        readProperties(reader, stated: Set(constants.keys), extends: extends)
        if let fitted = reader.map("fitted") {
            self.fitted = fitted.constants()
            for constant in self.fitted.keys where !own.contains(constant) {
                fitted.report(
                    constant.rawValue, rule: "the file states no value of it", fix: "add \(constant.rawValue): …")
            }
            fitted.reportUnknownKeys()
        }
        if let assumed = reader.choices("assumed", of: Constant.self) {
            self.assumed = Set(assumed)
            for constant in assumed where !own.contains(constant) {
                reader.report(
                    "assumed", value: "'\(constant.rawValue)'", rule: "the file states no value of it",
                    fix: "add \(constant.rawValue): …")
            }
        }
        for (key, path) in Self.switches {
            if let value = reader.flag(key) { self[keyPath: path] = value }
        }
        dispatcher = reader.choice("dispatcher", of: Layout.Dispatcher.self) ?? dispatcher
        reservedBytes = reader.quantity("reserved", .bytes, in: 0...1e15) ?? reservedBytes
        if let memory = reader.map("memory") {
            self.memory.read(memory)
            memory.reportUnknownKeys()
        }
        if let can = reader.map("can") {
            abilities.read(can)
            can.reportUnknownKeys()
        }
    }

    /// Reads the month of the generation and its products.
    fileprivate mutating func fillReleases(_ reader: FieldReader) {
        if let since = reader.text("since") {
            self.since = SoftwareName.Release.month(since)
            if self.since == nil {
                reader.report("since", value: "'\(since)'", rule: "must be a month", fix: "e.g. since: 2025-03")
            }
        }
        if let products = reader.map("products") {
            self.products = products.keys.compactMap { key in
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
    }

    private static var switches: [(String, WritableKeyPath<Framework, Bool>)] {
        [
            ("fusedAccumulation", \.fusedAccumulation), ("scattersGradients", \.scattersGradients),
            ("portableAttention", \.portableAttention), ("blockingLaunches", \.blockingLaunches),
            ("twoGradients", \.twoGradients), ("selectiveOperations", \.selectiveOperations),
            ("oneBucketWithoutOverlap", \.oneBucketWithoutOverlap),
            ("dispatchOncePerNode", \.dispatchOncePerNode), ("eightBitDispatch", \.eightBitDispatch),
            ("shardsMasterWeights", \.shardsMasterWeights), ("keepsCombinedRows", \.keepsCombinedRows),
            ("fusesNorms", \.fusesNorms), ("fusedCasts", \.fusedCasts), ("reducesInHalf", \.reducesInHalf),
            ("copiesFP32ToHost", \.copiesFP32ToHost), ("keepsOffloadedMaster", \.keepsOffloadedMaster),
            ("addsOffloadedGradients", \.addsOffloadedGradients), ("gathersLogits", \.gathersLogits),
        ]
    }
}

extension FieldReader {
    /// The constants of a framework that the map states.
    fileprivate func constants(but left: Set<Framework.Constant> = []) -> [Framework.Constant: Double] {
        var values: [Framework.Constant: Double] = [:]
        for constant in Framework.Constant.allCases where !left.contains(constant) {
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
        offloadsStateWhole = can.flag("offloadsStateWhole") ?? offloadsStateWhole
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
    /// - Parameter shipped: the framework files of `library`, where they were read before.
    static func read(_ plan: FieldReader, library: Library, shipped: Frameworks? = nil) -> Frameworks? {
        let name = plan.word("framework")
        let map = name == nil && plan.entryMap("framework") != nil ? plan.map("framework") : nil
        var frameworks: Frameworks
        do throws(PlanProblems) {
            if let shipped {
                frameworks = shipped
            } else {
                frameworks = try read(library: library, files: &plan.collector.files)
            }
        } catch {
            error.problems.forEach(plan.collector.adopt)
            return nil
        }
        if let map { return frameworks.read(map, library: library) ? frameworks : nil }
        if name == nil, plan.contains("framework") {
            plan.report(
                "framework", rule: "must be a name, the path of a framework file or a map",
                fix: "e.g. framework: {extends: nemo@25.04, attention: flash-2}")
            return nil
        }
        guard let name, name != "auto" else { return frameworks }
        return frameworks.name(name, at: "framework", of: plan, library: library) ? frameworks : nil
    }

    /// Reads a map that changes software: what it extends, and properties and constants in one line each.
    /// - Returns: whether the map names software. All problems are reported.
    private mutating func read(_ map: FieldReader, library: Library) -> Bool {
        if map.contains("assumed"), !map.contains("extends") { return readAssumed(map) }
        guard let base = map.text("extends") else {
            map.reportMissing("extends", fix: "the software that is changed, e.g. extends: nemo@25.04")
            return false
        }
        guard base != "auto", name(base, at: "extends", of: map, library: library), let named,
            let software = known[named]
        else {
            if base == "auto" {
                map.report(
                    "extends", value: "'auto'", rule: "must be a name or a file", fix: "trainyard frameworks lists them"
                )
            }
            return false
        }
        let lists = map.keys.filter { map.scalar($0) == nil }
        for key in lists {
            map.report(
                key, rule: "must be a single value in a plan",
                fix: "write a framework file that extends \(software.name), and name its path")
        }
        // One problem of a value is enough.
        let map = map.without(lists)
        changes = map.keys.filter { $0 != "extends" }.compactMap { key in
            map.scalar(key).map { Change(key: key, value: $0) }
        }
        for key in ["name", "since", "source", "assumed"] where map.contains(key) {
            map.report(key, rule: "is a key of framework files", fix: "leave it out of a plan")
        }
        let changed = software.changed(by: map, as: "\(named), changed")
        map.reportUnknownKeys()
        guard !changes.isEmpty else { return true }
        known[changed.name] = changed
        self.named = changed.name
        product = product ?? SoftwareName(named)
        return true
    }

    /// Reads software that is not the plan's own choice: one that a written plan was priced on because it names none.
    private mutating func readAssumed(_ map: FieldReader) -> Bool {
        guard let name = map.text("assumed") else { return false }
        map.reportUnknownKeys()
        guard let found = resolve(name, at: "assumed", of: map) else { return false }
        assumed = found.generation
        return true
    }

    /// Takes the software that `name` means.
    /// - Returns: whether there is any. A problem is reported at `key` of `plan`.
    private mutating func name(_ name: String, at key: String, of plan: FieldReader, library: Library) -> Bool {
        if Library.isPath(name) {
            guard let path = library.existing(name) else {
                plan.report(key, value: "'\(name)'", rule: "no such file")
                return false
            }
            do throws(PlanProblems) {
                let framework = try Framework.read(path: path, library: library, files: &plan.collector.files)
                known[framework.name] = framework
                (named, self.path) = (framework.name, path)
                return true
            } catch {
                error.problems.forEach(plan.collector.adopt)
                return false
            }
        }
        guard let found = resolve(name, at: key, of: plan) else { return false }
        named = found.generation
        if found.generation != name { product = found.software }
        return true
    }

    /// The generation that `name` means, by its own name or by a product with or without a release. nil, after a report at
    /// `key` of `map`: there is none.
    fileprivate func resolve(
        _ name: String, at key: String, of map: FieldReader
    ) -> (generation: String, software: SoftwareName)? {
        guard let software = SoftwareName(name) else {
            map.report(
                key, value: "'\(name)'", rule: "must be a name, NAME@VERSION or NAME@YYYY-MM",
                fix: "e.g. nemo@25.04, torchtitan@2025-03")
            return nil
        }
        switch resolved(software) {
        case .found(let found), .olderThan(let found): return (found, software)
        case .withoutReleases(let generation):
            map.report(
                key, value: "'\(name)'", rule: "\(generation) is one generation, which has no releases",
                fix: "use \(generation), or a product such as nemo@25.04")
            return nil
        case .unknown:
            map.report(
                key, value: "'\(software.product)'", rule: "no software of that name in frameworks/",
                fix: Library.suggestion(for: software.product, among: allNames))
            return nil
        }
    }

    /// The generations of `library` with their products and dates alone, which names are looked up by, and their files. Files
    /// that cannot be read are left to those who read them whole.
    fileprivate static func generations(
        library: Library, files: inout ReadFiles
    ) -> [(framework: Framework, path: String)] {
        library.frameworkNames.compactMap { name in
            guard let path = library.frameworkFile(name), let node = try? YAMLFile.compose(path: path, files: &files)
            else { return nil }
            let reader = FieldReader(node, path: "", collector: ProblemCollector(file: path))
            var framework = Framework(name: reader.text("name") ?? name)
            framework.fillReleases(reader)
            return (framework, path)
        }
    }
}
