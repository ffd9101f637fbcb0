package dynapinot.engine;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.File;
import java.util.ArrayList;
import java.util.List;
import org.apache.commons.io.FileUtils;
import org.apache.pinot.common.metadata.segment.SegmentZKMetadata;
import org.apache.pinot.common.utils.LLCSegmentName;
import org.apache.pinot.segment.local.indexsegment.immutable.ImmutableSegmentLoader;
import org.apache.pinot.segment.local.indexsegment.mutable.MutableSegmentImpl;
import org.apache.pinot.segment.local.io.writer.impl.DirectMemoryManager;
import org.apache.pinot.segment.local.realtime.converter.RealtimeSegmentConverter;
import org.apache.pinot.segment.local.realtime.impl.RealtimeSegmentConfig;
import org.apache.pinot.segment.local.realtime.impl.RealtimeSegmentStatsHistory;
import org.apache.pinot.segment.local.segment.creator.TransformPipeline;
import org.apache.pinot.segment.local.segment.index.loader.IndexLoadingConfig;
import org.apache.pinot.segment.local.segment.virtualcolumn.VirtualColumnProviderFactory;
import org.apache.pinot.segment.local.upsert.PartitionUpsertMetadataManager;
import org.apache.pinot.segment.local.utils.IngestionUtils;
import org.apache.pinot.segment.spi.ImmutableSegment;
import org.apache.pinot.segment.spi.IndexSegment;
import org.apache.pinot.spi.config.table.SegmentZKPropsConfig;
import org.apache.pinot.spi.data.Schema;
import org.apache.pinot.spi.data.readers.GenericRow;
import org.apache.pinot.spi.stream.BytesStreamMessage;
import org.apache.pinot.spi.stream.LongMsgOffset;
import org.apache.pinot.spi.stream.StreamDataDecoder;
import org.apache.pinot.spi.stream.StreamDataDecoderImpl;
import org.apache.pinot.spi.stream.StreamDataDecoderResult;
import org.apache.pinot.spi.stream.StreamMessageMetadata;
import org.apache.pinot.spi.utils.JsonUtils;

/**
 * One partition, which is one shard: a consuming segment, and the segments committed before it.
 *
 * <p>{@link #ingest} does with a record what RealtimeSegmentDataManager.processStreamEvents does, {@link #newSegment} what
 * its constructor and the start of its consumer thread do, {@link #commit} what its buildSegmentInternal and
 * RealtimeTableDataManager.replaceConsumingSegment do (pinot-core, org.apache.pinot.core.data.manager.realtime, release 1.5.1).
 * Left out is what needs a cluster: rate limits, ZooKeeper, the stream's consumer, partition metadata.
 */
final class Partition {
  // Pinot takes this from the stream config and commits when it is reached; here the caller commits.
  private static final int CAPACITY = 100_000;

  private final Table _table;
  private final int _id;
  private final IndexLoadingConfig _loading;
  private final List<ImmutableSegment> _committed = new ArrayList<>();
  private PartitionUpsertMetadataManager _upsert;
  private MutableSegmentImpl _consuming;
  private StreamDataDecoder _decoder;
  private TransformPipeline _pipeline;
  private Schema _segmentSchema;
  private boolean _canTakeMore;
  private long _offset;

  Partition(Table table, int id, PartitionUpsertMetadataManager upsert) throws Exception {
    _table = table;
    _id = id;
    _upsert = upsert;
    _loading = new IndexLoadingConfig(table._config, table._schema);
    _loading.setTableDataDir(table._directory.getPath());
    newSegment();
  }

  List<IndexSegment> segments() {
    List<IndexSegment> segments = new ArrayList<>(_committed);
    segments.add(_consuming);
    return segments;
  }

  /** Takes the next record of the shard and says what became of it. */
  void ingest(byte[] data, ObjectNode outcome) {
    if (!_canTakeMore) {
      throw new IllegalStateException("Realtime segment full");
    }
    LongMsgOffset offset = new LongMsgOffset(_offset++);
    StreamMessageMetadata metadata = new StreamMessageMetadata.Builder().setOffset(offset, offset)
        .setSerializedValueSize(data.length).setRecordIngestionTimeMs(System.currentTimeMillis()).build();
    StreamDataDecoderResult decoded = _decoder.decode(new BytesStreamMessage(data, metadata));
    if (decoded.getException() != null) {
      outcome.put("dropped", Harness.messages(decoded.getException()));
      return;
    }
    TransformPipeline.Result result;
    try {
      result = _pipeline.processRow(decoded.getResult());
    } catch (Exception error) {
      outcome.put("dropped", Harness.messages(error));
      return;
    }
    count(outcome, "filtered", result.getSkippedRowCount());
    count(outcome, "incomplete", result.getIncompleteRowCount());
    count(outcome, "sanitized", result.getSanitizedRowCount());
    Failures.METRICS.take();
    int indexed = 0;
    for (GenericRow row : result.getTransformedRows()) {
      try {
        _canTakeMore = _consuming.index(row, metadata);
        indexed++;
      } catch (Exception error) {
        outcome.put("dropped", Harness.messages(error));
      }
    }
    count(outcome, "indexed", indexed);
    count(outcome, "values_not_indexed", Failures.METRICS.take());
  }

  private static void count(ObjectNode outcome, String name, int count) {
    if (count > 0) {
      outcome.put(name, count);
    }
  }

  /** Seals the consuming segment, puts the sealed one in its place, and starts the next one. */
  void commit() throws Exception {
    String name = _consuming.getSegmentName();
    File output = new File(_table._directory, "tmp-" + name);
    SegmentZKPropsConfig offsets = new SegmentZKPropsConfig();
    offsets.setStartOffset("0");
    offsets.setEndOffset(String.valueOf(_offset));
    new RealtimeSegmentConverter(_consuming, offsets, output.getPath(), _segmentSchema, _table._config.getTableName(),
        _table._config, name, _table._config.getIndexingConfig().isNullHandlingEnabled())
        .build(_loading.getSegmentVersion(), null);
    FileUtils.moveDirectory(new File(output, name), directory(name));
    FileUtils.deleteDirectory(output);
    ImmutableSegment sealed = load(name);
    _upsert.replaceSegment(sealed, _consuming);
    _consuming.offload();
    _consuming.destroy();
    _committed.add(sealed);
    newSegment();
  }

  void restart(PartitionUpsertMetadataManager upsert) throws Exception {
    _upsert = upsert;
    _consuming.destroy();
    for (int index = 0; index < _committed.size(); index++) {
      ImmutableSegment old = _committed.get(index);
      ImmutableSegment loaded = load(old.getSegmentName());
      old.destroy();
      _committed.set(index, loaded);
      _upsert.addSegment(loaded);
    }
    newSegment();
  }

  void destroy() {
    _consuming.destroy();
    _committed.forEach(ImmutableSegment::destroy);
  }

  private ImmutableSegment load(String name) throws Exception {
    return ImmutableSegmentLoader.load(directory(name), _loading, null, null);
  }

  private File directory(String name) {
    return new File(_table._directory, name);
  }

  private void newSegment() throws Exception {
    long now = System.currentTimeMillis();
    String tableName = _table._config.getTableName();
    String name = new LLCSegmentName(_table._schema.getSchemaName(), _id, _committed.size(), now).getSegmentName();
    _segmentSchema = JsonUtils.jsonNodeToObject(_table._schema.toJsonObject(), Schema.class);
    VirtualColumnProviderFactory.addBuiltInVirtualColumnsToSegmentSchema(_segmentSchema, name);
    SegmentZKMetadata metadata = new SegmentZKMetadata(name);
    metadata.setCreationTime(now);
    RealtimeSegmentConfig config = new RealtimeSegmentConfig.Builder(_loading)
        .setTableNameWithType(tableName)
        .setSegmentName(name)
        .setStreamName("stream")
        .setSchema(_segmentSchema)
        .setTimeColumnName(_table._config.getValidationConfig().getTimeColumnName())
        .setCapacity(CAPACITY)
        .setAvgNumMultiValues(_loading.getRealtimeAvgMultiValueCount())
        .setSegmentZKMetadata(metadata)
        .setOffHeap(true) // a server's default (HelixInstanceDataManagerConfig)
        .setMemoryManager(new DirectMemoryManager(name, Failures.METRICS))
        .setStatsHistory(RealtimeSegmentStatsHistory.deserializeFrom(directory("stats-" + _id + ".ser")))
        .setAggregateMetrics(_table._config.getIndexingConfig().isAggregateMetrics())
        .setDefaultNullHandlingEnabled(_table._config.getIndexingConfig().isNullHandlingEnabled())
        .setPartitionUpsertMetadataManager(_upsert)
        .setConsumerDir(directory("consumers").getPath())
        .build();
    JsonDecoder decoder = new JsonDecoder();
    decoder.init(null, IngestionUtils.getFieldsForRecordExtractor(_table._config, _segmentSchema), "stream");
    _decoder = new StreamDataDecoderImpl(decoder);
    _pipeline = new TransformPipeline(_table._config, _segmentSchema);
    _consuming = new MutableSegmentImpl(config, Failures.METRICS);
    _canTakeMore = true;
    if (_upsert.getContext().getMetadataTTL() > 0) {
      _upsert.takeSnapshot();
      _upsert.removeExpiredPrimaryKeys();
    } else {
      _upsert.removeExpiredPrimaryKeys();
      _upsert.takeSnapshot();
    }
  }
}
