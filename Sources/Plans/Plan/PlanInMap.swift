package import Reading
package import Yams

extension Plan {
    /// Reads a plan from a map of a file that holds more than a plan. Its nodes keep their places in that file.
    ///
    /// - Parameters:
    ///   - root: the keys of a plan file.
    ///   - name: the plan's name.
    ///   - path: the file, for messages. References are looked up in `library`.
    ///   - frameworks: the framework files of `library`, where they were read before.
    ///   - files: gets the model, cluster and framework files that the plan refers to.
    /// - Throws: every problem of the map at once, with line and column.
    package static func read(
        root: Node, name: String, path: String, library: Library, frameworks: Frameworks? = nil,
        files: inout ReadFiles
    ) throws(PlanProblems) -> Plan {
        let collector = ProblemCollector(file: path)
        defer { files.formUnion(collector.files) }
        let reader = FieldReader(root, path: "", collector: collector)
        var reading = PlanReading(root: root, reader: reader, library: library, devicesOverride: nil, isRun: false)
        reading.shipped = frameworks
        guard let plan = reading.plan(fileName: name), collector.isEmpty else { throw collector.all }
        return plan
    }
}
