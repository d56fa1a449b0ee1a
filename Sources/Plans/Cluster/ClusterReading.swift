package import Reading
internal import Yams

extension Cluster {
    /// Reads the cluster called `reference` in `cluster/`, or the cluster file at that path.
    /// - Throws: all problems of the file, or that there is no such file.
    package static func read(_ reference: String, library: Library = .standard()) throws(PlanProblems) -> Cluster {
        var files = ReadFiles()
        return try read(reference, library: library, files: &files)
    }

    /// Reads the cluster called `reference`, or the cluster file at that path. The file and those it extends are added
    /// to `files`.
    package static func read(
        _ reference: String, library: Library, files: inout ReadFiles
    ) throws(PlanProblems) -> Cluster {
        var remarks: [Remark] = []
        return try read(reference, library: library, files: &files, remarks: &remarks)
    }

    /// Reads the cluster called `reference`, or the cluster file at that path. The file and those it extends are added
    /// to `files`, and to `remarks` which cluster was taken if a device's name fits several.
    package static func read(
        _ reference: String, library: Library, files: inout ReadFiles, remarks: inout [Remark]
    ) throws(PlanProblems) -> Cluster {
        guard let path = path(meantBy: reference, library: library, remarks: &remarks) else {
            throw PlanProblems([unknown(reference, library: library)])
        }
        return try ClusterReading.file(path, library: library, files: &files, remarks: &remarks).cluster
    }

    /// Reads a cluster from the text of a file that is, or would be, at `path`.
    package static func read(text: String, path: String, library: Library) throws(PlanProblems) -> Cluster {
        var files = ReadFiles()
        var remarks: [Remark] = []
        let node = try YAMLFile.compose(text: text, name: path)
        return try ClusterReading.cluster(of: node, path: path, library: library, files: &files, remarks: &remarks)
            .cluster
    }

    /// Reads `cluster:` of a file that asks something of a cluster: a name, a path or a map.
    /// - Returns: nil after a report, or where the key is missing.
    package static func read(_ file: FieldReader, library: Library) -> Cluster? {
        ClusterReading.read(file, library: library)?.cluster
    }

    /// The file that is called `reference`, or the path; nil if there is none.
    static func path(of reference: String, library: Library) -> String? {
        Library.isPath(reference) ? library.existing(reference) : library.clusterFile(reference)
    }

    /// The file that is called `reference`, the path, or the file of the device that has this name; nil if there is
    /// none. If the name fits several, `remarks` says which was taken.
    static func path(meantBy reference: String, library: Library, remarks: inout [Remark]) -> String? {
        if let path = path(of: reference, library: library) { return path }
        guard !Library.isPath(reference),
            case .found(let file, let others) = ClusterNames(library: library).match(reference)
        else { return nil }
        if !others.isEmpty {
            let there = others.count == 1 ? "there is" : "there are"
            let remark = Remark(
                .clusterChosen,
                "\(reference) is taken as \(file); \(there) \(Wording.alternatives(others, "and")) too")
            if !remarks.contains(remark) { remarks.append(remark) }
        }
        return library.clusterFile(file)
    }

    static func unknown(_ reference: String, library: Library) -> PlanProblem {
        if Library.isPath(reference) {
            return PlanProblem(field: "cluster", value: "'\(reference)'", rule: "no such file")
        }
        let near = ClusterNames(library: library).suggestions(for: reference)
        let fix: String
        if !near.isEmpty {
            fix = "did you mean \(Wording.alternatives(near.map { "'\($0)'" }))?"
        } else if library.clusterNames.isEmpty {
            fix = Library.suggestion(for: reference, among: [])
        } else {
            fix = "`trainyard gpus` lists them"
        }
        return PlanProblem(
            field: "cluster", value: "'\(reference)'", rule: "no cluster of that name in cluster/", fix: fix)
    }
}

/// Reads cluster files, which may extend one another, and `cluster:` of a plan.
enum ClusterReading {
    /// A cluster, and its devices if it says how many it has.
    struct Result {
        var cluster: Cluster
        var devices: Int?
    }

    /// Longest chain of files that extend one another; a longer one is taken for a circle.
    private static let deepest = 8

    static func file(
        _ path: String, library: Library, files: inout ReadFiles, remarks: inout [Remark]
    ) throws(PlanProblems) -> Result {
        let node = try YAMLFile.compose(path: path, files: &files)
        return try cluster(of: node, path: path, library: library, files: &files, remarks: &remarks)
    }

    static func cluster(
        of node: Node, path: String, library: Library, files: inout ReadFiles, remarks: inout [Remark]
    ) throws(PlanProblems) -> Result {
        let collector = ProblemCollector(file: path)
        defer {
            files.formUnion(collector.files)
            remarks += collector.remarks.filter { !remarks.contains($0) }
        }
        let reader = FieldReader(node, path: "", collector: collector)
        let fields = resolved(reader, library: library, depth: 0)
        guard let fields, collector.isEmpty, let cluster = fields.cluster(name: Library.stem(path), reader),
            collector.isEmpty
        else { throw collector.all }
        return cluster
    }

    /// Reads `cluster:` of a plan: a name, a path or a map.
    static func read(_ plan: FieldReader, key: String = "cluster", library: Library) -> Result? {
        if let reference = plan.word(key) {
            return named(reference, library: library, report: { plan.report(key, $0) }, plan.collector)
        }
        guard let reader = plan.map(key) else { return nil }
        guard let fields = resolved(reader, library: library, depth: 0) else { return nil }
        return fields.cluster(name: name(of: reader, library: library), reader)
    }

    /// The cluster of a plan that names none: the measured `local` if it exists, else the modest `laptop`.
    static func standard(_ plan: FieldReader, library: Library) -> (cluster: Cluster, remark: Remark)? {
        for name in ["local", "laptop"] {
            guard let path = library.clusterFile(name) else { continue }
            let cluster = named(name, library: library, report: { plan.report("cluster", $0) }, plan.collector)
            let remark = Remark(.clusterAssumed, "no cluster is named, so '\(name)' is taken from \(path)")
            return cluster.map { ($0.cluster, remark) }
        }
        plan.reportMissing("cluster", fix: Library.suggestion(for: "", among: library.clusterNames))
        return nil
    }

    private static func named(
        _ reference: String, library: Library, report: (PlanProblem) -> Void, _ collector: ProblemCollector
    ) -> Result? {
        guard let path = Cluster.path(meantBy: reference, library: library, remarks: &collector.remarks) else {
            report(Cluster.unknown(reference, library: library))
            return nil
        }
        do throws(PlanProblems) {
            return try file(path, library: library, files: &collector.files, remarks: &collector.remarks)
        } catch {
            error.problems.forEach(collector.adopt)
            return nil
        }
    }

    /// The fields of a map, merged with those of the file it extends.
    static func resolved(_ reader: FieldReader, library: Library, depth: Int) -> ClusterFields? {
        let base = reader.text("extends")
        var fields = ClusterFields(reader)
        fields.groups = GroupFields.read(reader, library: library)
        reader.reportUnknownKeys()
        // What is wrong with the groups is reported; a cluster without them would lack everything else too.
        if reader.contains(GroupFields.key), fields.groups == nil { return nil }
        guard let base else { return fields }
        guard depth < deepest else {
            reader.report("extends", value: "'\(base)'", rule: "these files extend one another in a circle")
            return nil
        }
        guard let path = Cluster.path(meantBy: base, library: library, remarks: &reader.collector.remarks) else {
            let problem = Cluster.unknown(base, library: library)
            reader.report("extends", problem)
            return nil
        }
        let collector = ProblemCollector(file: path)
        do throws(PlanProblems) {
            let node = try YAMLFile.compose(path: path, files: &reader.collector.files)
            let inner = FieldReader(node, path: "", collector: collector)
            let inherited = resolved(inner, library: library, depth: depth + 1)
            collector.all.problems.forEach(reader.collector.adopt)
            reader.collector.files.formUnion(collector.files)
            reader.collector.remarks += collector.remarks
            guard let inherited, collector.isEmpty else { return nil }
            if inherited.groups != nil {
                reader.report(
                    "extends", value: "'\(base)'", rule: "is a cluster of groups, which no other cluster extends",
                    fix: "name it without changes, or extend the cluster of each group")
                return nil
            }
            return fields.over(inherited)
        } catch {
            error.problems.forEach(reader.collector.adopt)
            return nil
        }
    }

    /// The name of an unnamed map in a plan: its base and its changes, so that two maps with one base have different
    /// names.
    static func name(of reader: FieldReader, library: Library) -> String {
        guard let base = reader.scalar("extends") else { return "custom" }
        let changes = reader.keys.filter { !["extends", "name", "source", GroupFields.nodesKey].contains($0) }.map {
            key in
            reader.scalar(key).map { "\(key) \($0)" } ?? key
        }
        var remarks: [Remark] = []
        let path = Cluster.path(meantBy: base, library: library, remarks: &remarks)
        let name = Library.isPath(base) ? Library.stem(base) : path.map(Library.stem) ?? base
        return changes.isEmpty ? name : "\(name) (\(changes.joined(separator: ", ")))"
    }
}
