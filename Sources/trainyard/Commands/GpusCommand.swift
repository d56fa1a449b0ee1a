internal import ArgumentParser
internal import Options
internal import Plans
internal import Reading
internal import Reports

/// `trainyard gpus`: lists the devices that plans can name.
struct GpusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gpus",
        abstract: "List the devices that plans can name.",
        discussion: """
            One line a file of cluster/: a device, its memory and dense peaks, the node and the network it stands in. \
            --gpu, --clusters and a plan's `cluster` take the name of the file or of the device, in any spelling: H100, \
            h100-sxm, "NVIDIA H100 80GB HBM3". Where a name fits several files the usual one is taken, and a note names \
            the others. Folders are searched as for plans: a file cluster/my-gpu.yaml here is listed too.

              trainyard gpus
              trainyard gpus --json | jq -r '.devices[] | select(.hasRuns) | .cluster'
              trainyard estimate --params 8B --tokens 1T --gpu H100 --gpus 64
              trainyard compare plans/100b-3t-1024.yaml --clusters A100,MI355X,"TPU v5p"
            """)

    @OptionGroup var width: WidthOption

    @Flag(help: "Print one JSON document.")
    var json = false

    mutating func run() throws {
        let library = Library.standard()
        var listed: [(names: ClusterNames.Entry, cluster: Cluster)] = []
        for entry in ClusterNames(library: library).entries {
            do throws(PlanProblems) {
                listed.append((entry, try Cluster.read(entry.file, library: library)))
            } catch {
                // One broken file of the user's hides no other device.
                Console.note("\(entry.file) is left out: \(error.problems.first?.description ?? "\(error)")")
            }
        }
        guard !listed.isEmpty else {
            throw Failure.input(
                "no cluster files are to be found; \(Library.suggestion(for: "", among: []))")
        }
        let report = DeviceListReport(listed)
        try print(json ? report.json() : report.text(width: width.columns))
    }
}
