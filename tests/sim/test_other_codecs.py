"""A node whose control link stays up, and which gets no EPOCH frame."""

from bench.sim.daemons import H265, Source
from bench.sim.world import Setting, World

SOURCE = Source(packets_per_second=200.0, packet_bytes=1200, keyframe_every=200)


def test_who_is_skipped_over_the_epoch_frames_hears_of_other_codecs() -> None:
    world = World(Setting(seed=1, source=SOURCE, server={"log_time": 1}))
    world.run(0.5)
    for _ in range(4):
        world.join(log_time=1, reorder_timeout=1)
        world.run(0.2)
    world.run(3.0)
    frozen, server = world.clients["c4"], world.server
    assert server is not None
    node = frozen.node.feed.node
    world.stop("c4")
    world.run(4.5)
    server.host.run(lambda: server.pause("it was taken away"))
    world.run(0.5)
    server.host.run(lambda: server.play(SOURCE, H265))
    world.run(4.0)
    assert server.channel.nodes_away == 0, "its control link has not ended"
    world.go_on("c4")
    world.run(10.0)
    assert frozen.node.feed.node == node
    assert frozen.node.feed.stream is not None
    assert frozen.node.feed.stream.tracks == (H265,)
    assert frozen.meter.end == "the source has other codecs, or another format, now"
    assert world.now - frozen.node.feed.delivered_at < 1.0
