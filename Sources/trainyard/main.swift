internal import Foundation
internal import Output

StandardStreams.prepare()
exit(Trainyard.start())
