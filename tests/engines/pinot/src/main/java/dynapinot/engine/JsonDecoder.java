package dynapinot.engine;

import java.util.Map;
import java.util.Set;
import org.apache.pinot.spi.data.readers.BaseRecordExtractor;
import org.apache.pinot.spi.data.readers.GenericRow;
import org.apache.pinot.spi.data.readers.RecordExtractorConfig;
import org.apache.pinot.spi.stream.StreamMessageDecoder;
import org.apache.pinot.spi.utils.JsonUtils;

/**
 * What Pinot 1.5.1's JSONMessageDecoder and its JSONRecordExtractor do, line for line in behaviour.
 *
 * <p>The plugin they are in (pinot-plugins/pinot-input-format/pinot-json, org.apache.pinot.plugin.inputformat.json) is not
 * on Maven Central's mirrors everywhere. All that decides is Pinot's own and is called here: JsonUtils.bytesToMap (a plain
 * Jackson reader: floats become doubles, large whole numbers BigIntegers, and what follows the first object is ignored)
 * and BaseRecordExtractor.convert (a boolean becomes its text). A row has every field that Pinot reads, null where the
 * object has none.
 */
final class JsonDecoder implements StreamMessageDecoder<byte[]> {
  private final Extractor _extractor = new Extractor();

  @Override
  public void init(Map<String, String> properties, Set<String> fields, String topic) {
    _extractor.init(fields, null);
  }

  @Override
  public GenericRow decode(byte[] payload, GenericRow row) {
    return decode(payload, 0, payload.length, row);
  }

  @Override
  public GenericRow decode(byte[] payload, int offset, int length, GenericRow row) {
    try {
      return _extractor.extract(JsonUtils.bytesToMap(payload, offset, length), row);
    } catch (Exception error) {
      throw new RuntimeException("not decoded", error); // Pinot's message has the whole payload
    }
  }

  private static final class Extractor extends BaseRecordExtractor<Map<String, Object>> {
    private Set<String> _fields = Set.of();

    @Override
    public void init(Set<String> fields, RecordExtractorConfig config) {
      if (fields != null) {
        _fields = Set.copyOf(fields);
      }
    }

    @Override
    public GenericRow extract(Map<String, Object> from, GenericRow to) {
      for (String field : _fields.isEmpty() ? from.keySet() : _fields) {
        Object value = from.get(field);
        to.putValue(field, value == null ? null : convert(value));
      }
      return to;
    }
  }
}
