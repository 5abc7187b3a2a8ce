namespace Nvml.Mig.Cli.Top;

/// <summary>The order of the rows.</summary>
internal enum TopSort
{
    Gpu,
    Memory,
    Activity,
    Owner,
}

/// <summary>The user's choices by keys.</summary>
internal sealed class TopState
{
    public TopSort Sort { get; private set; }

    public string Filter { get; private set; } = "";

    /// <summary>Whether the filter is being typed.</summary>
    public bool IsTyping { get; private set; }

    /// <summary>The first line of the body that is shown. The view limits it to what there is.</summary>
    public int Offset { get; set; }

    /// <summary>False if the key ends it.</summary>
    public bool Take(ConsoleKeyInfo key, int page)
    {
        if (IsTyping)
        {
            Type(key);
            return true;
        }

        switch (key.Key, key.KeyChar)
        {
            case (_, 'q' or 'Q'):
                return false;
            case (_, 's' or 'S'):
                Sort = (TopSort)(((int)Sort + 1) % Enum.GetValues<TopSort>().Length);
                break;
            case (_, 'f' or 'F' or '/'):
                IsTyping = true;
                break;
            case (ConsoleKey.Escape, _):
                Filter = "";
                break;
            case (ConsoleKey.DownArrow, _) or (_, 'j'):
                Offset++;
                break;
            case (ConsoleKey.UpArrow, _) or (_, 'k'):
                Offset--;
                break;
            case (ConsoleKey.PageDown or ConsoleKey.Spacebar, _):
                Offset += page;
                break;
            case (ConsoleKey.PageUp, _):
                Offset -= page;
                break;
            case (ConsoleKey.Home, _):
                Offset = 0;
                break;
        }

        return true;
    }

    private void Type(ConsoleKeyInfo key)
    {
        switch (key.Key)
        {
            case ConsoleKey.Enter:
                IsTyping = false;
                break;
            case ConsoleKey.Escape:
                (IsTyping, Filter) = (false, "");
                break;
            case ConsoleKey.Backspace:
                Filter = Filter.Length > 0 ? Filter[..^1] : "";
                break;
            default:
                if (!char.IsControl(key.KeyChar))
                    Filter += key.KeyChar;
                break;
        }
    }
}
